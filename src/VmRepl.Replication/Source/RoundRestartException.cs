namespace VmRepl.Replication.Source;

/// <summary>The replica does not have what this round built on (it was restarted in a baseline, or came back with less than it acknowledged): the round begins anew, by digests.</summary>
internal sealed class RoundRestartException(string reason) : Exception(reason);
