namespace VmRepl.Agent.Output.Progress;

/// <summary>Several things that go on at once, shown one below the other.</summary>
public interface IProgressGroup
{
    /// <summary>Adds a line. Safe from any thread, at any time while the group runs.</summary>
    /// <param name="title">What goes on: a few words.</param>
    /// <param name="totalBytes">What there is to do; negative where that is not known yet.</param>
    /// <returns>Takes the bytes done so far: a total, not an increment.</returns>
    IProgress<long> Add(string title, long totalBytes);
}
