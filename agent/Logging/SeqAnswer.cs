namespace VmRepl.Agent.Logging;

/// <summary>What became of a batch.</summary>
/// <param name="Outcome">Whether it arrived, may be sent again, or never will be taken.</param>
/// <param name="Cause">Why it did not arrive, in a few words.</param>
internal readonly record struct SeqAnswer(SeqOutcome Outcome, string Cause);
