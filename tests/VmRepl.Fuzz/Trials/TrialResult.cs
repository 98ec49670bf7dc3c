namespace VmRepl.Fuzz.Trials;

/// <summary>How far a mutant came, and what it cost.</summary>
public sealed class TrialResult
{
    public bool IsOpened { get; set; }

    /// <summary>Whether a read of something that the map says is data gave contents.</summary>
    public bool HasReadBlock { get; set; }

    public bool IsCopied { get; set; }

    /// <summary>Whether it was opened to be written.</summary>
    public bool IsOpenedToWrite { get; set; }

    public bool IsWritten { get; set; }

    /// <summary>Of all steps, on the trial's own thread.</summary>
    public long AllocatedBytes { get; set; }

    public TimeSpan ProcessorTime { get; set; }

    /// <summary>The message of the typed error that came last.</summary>
    public string LastError { get; set; } = "";
}
