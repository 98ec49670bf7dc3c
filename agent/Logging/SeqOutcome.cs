namespace VmRepl.Agent.Logging;

/// <summary>What became of a batch.</summary>
internal enum SeqOutcome
{
    /// <summary>Seq has it.</summary>
    Taken,

    /// <summary>No answer, or one that may be another one later (an error of the server, an API key not known yet): to be sent again.</summary>
    Away,

    /// <summary>These bytes will never be taken (malformed or too long).</summary>
    Refused,
}
