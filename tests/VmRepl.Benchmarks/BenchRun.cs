using System.Globalization;

namespace VmRepl.Benchmarks;

/// <summary>What the contests of one run share: the directory, the source disk, and a replica and an agent that are started when first needed.</summary>
internal sealed class BenchRun(string directory, string vmrepl, SourceDisk source) : IDisposable
{
    private ReplicatingPair? pair;
    private string? protectedGroup;
    private int groups;

    public string Directory => directory;

    public string VmRepl => vmrepl;

    public SourceDisk Source => source;

    public ReplicatingPair Pair => pair ??= new ReplicatingPair(vmrepl, Path.Combine(directory, "pair"));

    /// <summary>
    /// A name that no group has; whoever asks protects the source under it. The copy under the name before is emptied first, as the others' copies are removed after each run:
    /// memory that the page cache never had before costs several times what memory that comes round again does, on a virtual machine above all.
    /// </summary>
    public string NewGroup()
    {
        if (protectedGroup is not null) File.WriteAllBytes(Pair.LiveImage(protectedGroup), []);
        return protectedGroup = string.Create(CultureInfo.InvariantCulture, $"bench{++groups}");
    }

    /// <summary>A group that holds the source.</summary>
    public string AnyGroup()
    {
        if (protectedGroup is null) Pair.Protect(NewGroup(), source.Qcow2);
        return protectedGroup!;
    }

    public void Dispose() => pair?.Dispose();
}
