namespace VmRepl.Fuzz.Trials;

/// <summary>Thrown out of a file's access where the watchdog ended a trial, so that there is a stack that shows where it hung.</summary>
public sealed class TrialAbortedException() : Exception("took too long");
