namespace VmRepl.Images;

/// <summary>Flushes of an image, one at a time. After one that failed everything fails: what is on disk is then not known.</summary>
/// <param name="path">The image's file, for the message.</param>
internal sealed class FlushGate(string path)
{
    private volatile bool hasFailed;

    /// <summary>Held while a flush runs; by others to do something between two.</summary>
    public Lock Alone { get; } = new();

    public bool HasFailed => hasFailed;

    /// <summary>Runs a flush. It fails without being run where an earlier one has failed.</summary>
    public void Run(Action flush)
    {
        lock (Alone)
        {
            RequireSound();
            Attempt(flush);
        }
    }

    /// <summary>Does something after whose failure nothing may be written; the caller sees to it that nobody is in the way.</summary>
    public void Attempt(Action step)
    {
        try
        {
            step();
        }
        catch
        {
            hasFailed = true;
            throw;
        }
    }

    /// <exception cref="IOException">An earlier write of the metadata failed.</exception>
    public void RequireSound()
    {
        if (hasFailed) throw new IOException($"{path}: an earlier write of its metadata failed; it is not written any further");
    }
}
