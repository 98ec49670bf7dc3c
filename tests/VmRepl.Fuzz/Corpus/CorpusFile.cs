using VmRepl.Fuzz.Storage;

namespace VmRepl.Fuzz.Corpus;

/// <summary>One sound file, and where in it is what is worth changing.</summary>
public sealed class CorpusFile(string name, byte[] bytes)
{
    private readonly Dictionary<string, List<Site>> groups = [];

    public string Name => name;

    /// <summary>Read by those who look for sites; a mutant is made of <see cref="Contents"/>.</summary>
    public byte[] Bytes => bytes;

    public PagedBytes Contents { get; } = new(bytes);

    /// <summary>Numbers by structure, so that one with a thousand entries counts no more than a header.</summary>
    public IReadOnlyList<IReadOnlyList<Site>> Groups => [.. groups.Values];

    public List<TextSite> Texts { get; } = [];

    public List<Seal> Seals { get; } = [];

    /// <summary>Places without numbers that a reader looks at: identifiers, compressed data, bitmaps.</summary>
    public List<(string Name, long Offset, int Length)> Areas { get; } = [];

    /// <summary>Text of a VMDK descriptor: where, and the bytes that it has; (0, file's length) for a descriptor of its own.</summary>
    public (long Offset, int Length)? Descriptor { get; set; }

    /// <summary>Numbers of all groups.</summary>
    public IReadOnlyList<Site> Sites => all ??= [.. groups.Values.SelectMany(g => g)];

    private Site[]? all;

    public void Add(string group, string field, long offset, int size, bool isBigEndian, long twin = -1)
    {
        if (offset < 0 || offset + size > bytes.Length) return;
        if (!groups.TryGetValue(group, out var sites)) groups[group] = sites = [];
        sites.Add(new Site($"{group} {field}".TrimEnd(), offset, size, isBigEndian, twin));
    }

    /// <summary>The number at <paramref name="offset"/> of the sound file.</summary>
    public ulong Number(long offset, int size, bool isBigEndian) => Numbers.Read(bytes.AsSpan((int)offset, size), isBigEndian);
}
