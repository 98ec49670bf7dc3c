using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Segments;
using VmRepl.Protocol;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Journal.Index.Files;

/// <summary>What the first 4096 bytes of an index file say. Every number has been compared with the file's length, so that it may be used as a size.</summary>
internal sealed record IndexHeader
{
    public const int Version = 2;

    private const int Fields = 27;

    // More than any journal has; a file may be sparse and as long as it likes.
    private const long RunPagesMax = 1 << 22;
    private const long ReferencePagesMax = 1 << 24;
    private const long SegmentTableBytesMax = 64 << 20;

    /// <summary>Bytes of the file.</summary>
    public required long FileBytes { get; init; }

    public required CommitPlace First { get; init; }

    public required CommitPlace End { get; init; }

    /// <summary>The file is of use only where the recovery range begins here or later: what is void before that was left out.</summary>
    public required ulong Start { get; init; }

    /// <summary>Serial of the first segment that the file speaks of.</summary>
    public required ulong FirstNeeded { get; init; }

    public required ulong NewestSequence { get; init; }

    public required long Runs { get; init; }

    public required long References { get; init; }

    public required long RunPages { get; init; }

    /// <summary>Number of segments, frames of facts.</summary>
    public required int Segments { get; init; }

    public required int FactFrames { get; init; }

    public required IndexArea Facts { get; init; }

    public required IndexArea RunChunks { get; init; }

    public required IndexArea ReferenceChunks { get; init; }

    public required IndexArea Fences { get; init; }

    public required IndexArea Filters { get; init; }

    public required IndexArea SegmentTable { get; init; }

    public long ReferencePages => PagesOf(References);

    /// <summary>All pages are before this one.</summary>
    public long PageLimit => (IndexLayout.HeaderBytes / IndexLayout.PageBytes) + RunPages + ReferencePages;

    public static long PagesOf(long references) => (references / ReferenceEntry.PerPage) + (references % ReferenceEntry.PerPage == 0 ? 0 : 1);

    public static long ChunksOf(long pages) => (pages / IndexLayout.ChunkPages) + (pages % IndexLayout.ChunkPages == 0 ? 0 : 1);

    public void WriteTo(IHostFile file)
    {
        using var writer = new MessagePackWriter(IndexLayout.HeaderBytes);
        Frame.Begin(writer, IndexLayout.HeaderMagic);
        writer.WriteArrayHeader(Fields);
        writer.WriteInt32(Version);
        writer.WriteInt64(FileBytes);
        writer.WriteUInt64(First.Serial);
        writer.WriteUInt32(First.Commit);
        writer.WriteUInt64(End.Serial);
        writer.WriteUInt32(End.Commit);
        writer.WriteUInt64(Start);
        writer.WriteUInt64(FirstNeeded);
        writer.WriteUInt64(NewestSequence);
        writer.WriteInt64(Runs);
        writer.WriteInt64(References);
        writer.WriteInt64(RunPages);
        writer.WriteInt32(Segments);
        writer.WriteInt32(FactFrames);
        writer.WriteInt64(Facts.Offset);
        writer.WriteInt64(Facts.Bytes);
        foreach (var area in new[] { RunChunks, ReferenceChunks, Fences, Filters })
        {
            writer.WriteInt64(area.Offset);
            writer.WriteUInt32(area.Checksum);
        }

        writer.WriteInt64(SegmentTable.Offset);
        writer.WriteInt64(SegmentTable.Bytes);
        writer.WriteUInt32(SegmentTable.Checksum);
        Frame.End(writer);
        var page = new byte[IndexLayout.HeaderBytes];
        writer.WrittenSpan.CopyTo(page);
        file.Write(0, page);
    }

    /// <exception cref="JournalDamagedException">It does not verify, is of a newer version, contradicts itself, or the file is shorter than it says.</exception>
    public static IndexHeader Read(IHostFile file)
    {
        var page = new byte[IndexLayout.HeaderBytes];
        if (file.Read(0, page) != page.Length || !Frame.TryReadPrefix(page, IndexLayout.HeaderMagic, out var checksum, out var bodyBytes)
            || bodyBytes > page.Length - SegmentLayout.FramePrefixBytes
            || Crc32C.Compute(page.AsSpan(SegmentLayout.FramePrefixBytes, (int)bodyBytes)) != checksum)
            throw new JournalDamagedException(file.Path, 0, "the index's header does not verify");
        try
        {
            var header = Read(page.AsSpan(SegmentLayout.FramePrefixBytes, (int)bodyBytes), file.Path);
            if (file.Length < header.FileBytes) throw new JournalDamagedException(file.Path, file.Length, $"the index was cut off: it has {file.Length} bytes and says that it has {header.FileBytes}");
            if (header.WhyNot() is { } problem) throw new JournalDamagedException(file.Path, 0, $"the index's header contradicts itself: {problem}");
            return header;
        }
        catch (ProtocolException e)
        {
            throw new JournalDamagedException(file.Path, 0, $"has an index header that does not parse: {e.Message}", e);
        }
    }

    private static IndexHeader Read(ReadOnlySpan<byte> body, string path)
    {
        var reader = new MessagePackReader(body);
        reader.ReadArrayHeader("index");
        if (reader.ReadInt32("version") is var version and not Version) throw new JournalDamagedException(path, 0, $"is an index of version {version}; this build reads {Version}");
        var fileBytes = reader.ReadInt64("fileBytes");
        var first = new CommitPlace(reader.ReadUInt64("first serial"), reader.ReadUInt32("first commit"));
        var end = new CommitPlace(reader.ReadUInt64("end serial"), reader.ReadUInt32("end commit"));
        var (start, firstNeeded, newest) = (reader.ReadUInt64("start"), reader.ReadUInt64("first needed"), reader.ReadUInt64("newest sequence"));
        var (runs, references, runPages) = (reader.ReadInt64("runs"), reader.ReadInt64("references"), reader.ReadInt64("run pages"));
        var (segments, factFrames) = (reader.ReadInt32("segments"), reader.ReadInt32("fact frames"));
        // Products of these are sizes from here on.
        if (fileBytes < 0 || runs < 0 || segments < 0 || factFrames < 0 || runPages < 0 || references < 0 || runPages > Math.Min(RunPagesMax, fileBytes / IndexLayout.PageBytes)
            || PagesOf(references) > Math.Min(ReferencePagesMax, fileBytes / IndexLayout.PageBytes))
            throw reader.Wrong("runs, references", $"what fits a file of {fileBytes} bytes", $"{runs} in {runPages} pages, {references}");
        return new IndexHeader
        {
            FileBytes = fileBytes,
            First = first,
            End = end,
            Start = start,
            FirstNeeded = firstNeeded,
            NewestSequence = newest,
            Runs = runs,
            References = references,
            RunPages = runPages,
            Segments = segments,
            FactFrames = factFrames,
            Facts = new IndexArea(reader.ReadInt64("facts offset"), reader.ReadInt64("facts bytes"), 0),
            RunChunks = Area(ref reader, ChunksOf(runPages) * IndexLayout.ChunkPlaceBytes),
            ReferenceChunks = Area(ref reader, ChunksOf(PagesOf(references)) * IndexLayout.ChunkPlaceBytes),
            Fences = Area(ref reader, runPages * PageDirectory.FenceBytes),
            Filters = Area(ref reader, runPages * PageFilter.Bytes),
            SegmentTable = new IndexArea(reader.ReadInt64("segments offset"), reader.ReadInt64("segments bytes"), reader.ReadUInt32("segments checksum")),
        };
    }

    private static IndexArea Area(ref MessagePackReader reader, long bytes) => new(reader.ReadInt64("area offset"), bytes, reader.ReadUInt32("area checksum"));

    private string? WhyNot()
    {
        if (First >= End) return "it ends before it begins";
        if (Runs > RunPages * RunEntry.PerPage || Runs < RunPages) return $"{Runs} runs in {RunPages} pages";
        if (Facts.Offset < IndexLayout.HeaderBytes || Facts.Bytes < 0 || Facts.Offset > FileBytes - Facts.Bytes || FactFrames > Facts.Bytes / SegmentLayout.FramePrefixBytes) return "its facts do not fit";
        if (SegmentTable.Bytes > SegmentTableBytesMax || Segments > SegmentTable.Bytes / CoveredSegment.BytesMin) return "its segments do not fit";
        return new[] { RunChunks, ReferenceChunks, Fences, Filters, SegmentTable }.All(a => a.Fits(FileBytes)) ? null : "an area lies outside of the file";
    }
}
