using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Segments;
using VmRepl.Protocol;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Journal.Scrub;

/// <summary>
/// The digests of one disk's regions, beside its live image: a header of 4096 bytes, then an entry for each region in order. A hole reads as entries that are not there.
/// It may be removed at any time: the next scrub takes every digest anew.
/// </summary>
internal sealed class RegionDigestFile : IDisposable
{
    public const int HeaderBytes = 4096;
    public const string Magic = "VRD1";

    private const int Version = 1;
    private const int Fields = 3;

    private static readonly byte[] None = new byte[RegionDigest.EntryBytes];

    private readonly IHostFile file;

    private RegionDigestFile(IHostFile file) => this.file = file;

    public string Path => file.Path;

    public static string NameOf(string disk) => $"regions-{disk}.digests";

    /// <summary>Opens the file, or null where there is none or it is not of this disk; then <paramref name="fault"/> says why.</summary>
    public static RegionDigestFile? TryOpen(IHostDirectory directory, string name, long diskBytes, HostFileAccess access, out string? fault)
    {
        fault = null;
        if (!directory.FileExists(name)) return null;
        var file = directory.Open(name, access);
        try
        {
            fault = WhyNot(file, diskBytes);
            if (fault is null) return new RegionDigestFile(file);
        }
        catch (IOException e)
        {
            fault = $"{file.Path}: cannot be read: {e.Message}";
        }
        catch
        {
            file.Dispose();
            throw;
        }

        file.Dispose();
        return null;
    }

    /// <summary>Makes an empty file, in the place of one that cannot be used. It gets its name only when its header is durable, so that a header that does not verify is damage.</summary>
    /// <exception cref="IOException">It cannot be made; the volume is full, for one.</exception>
    public static RegionDigestFile Create(IHostDirectory directory, string name, long diskBytes)
    {
        var preparing = name + ".new";
        if (directory.FileExists(preparing)) directory.Delete(preparing);
        using (var fresh = directory.Open(preparing, HostFileAccess.CreateNew))
        {
            fresh.SetLength(HeaderBytes + (RegionsOf(diskBytes) * RegionDigest.EntryBytes));
            using var writer = new MessagePackWriter(HeaderBytes);
            Frame.Begin(writer, Magic);
            writer.WriteArrayHeader(Fields);
            writer.WriteInt32(Version);
            writer.WriteInt32(RegionDigest.RegionBytes);
            writer.WriteInt64(diskBytes);
            Frame.End(writer);
            fresh.Write(0, writer.WrittenSpan);
            fresh.Flush();
        }

        directory.Rename(preparing, name);
        directory.Flush();
        return new RegionDigestFile(directory.Open(name, HostFileAccess.ReadWrite));
    }

    public static long RegionsOf(long diskBytes) => (diskBytes / RegionDigest.RegionBytes) + (diskBytes % RegionDigest.RegionBytes == 0 ? 0 : 1);

    /// <summary>Reads entries from that of <paramref name="region"/> on, as they are stored; what lies beyond the file's end is no entry.</summary>
    public void Read(long region, Span<byte> entries) => entries[file.Read(At(region), entries)..].Clear();

    public void Write(long region, RegionDigest digest)
    {
        Span<byte> entry = stackalloc byte[RegionDigest.EntryBytes];
        digest.WriteTo(entry, region);
        file.Write(At(region), entry);
    }

    public void Clear(long region) => file.Write(At(region), None);

    public void Flush() => file.Flush();

    public void Dispose() => file.Dispose();

    private static long At(long region) => HeaderBytes + (region * RegionDigest.EntryBytes);

    private static string? WhyNot(IHostFile file, long diskBytes)
    {
        var page = new byte[HeaderBytes];
        page = page[..file.Read(0, page)];
        if (!Frame.TryReadPrefix(page, Magic, out var checksum, out var bodyBytes) || bodyBytes > page.Length - SegmentLayout.FramePrefixBytes
            || Crc32C.Compute(page.AsSpan(SegmentLayout.FramePrefixBytes, (int)bodyBytes)) != checksum) return $"{file.Path}: the header does not verify";
        try
        {
            var reader = new MessagePackReader(page.AsSpan(SegmentLayout.FramePrefixBytes, (int)bodyBytes));
            reader.ReadArrayHeader();
            if (reader.ReadInt32("version") is var version and not Version) return $"{file.Path}: is of version {version}; this build reads {Version}";
            if (reader.ReadInt32("region bytes") is var bytes and not RegionDigest.RegionBytes) return $"{file.Path}: has regions of {bytes} bytes";
            return reader.ReadInt64("disk bytes") is var length && length != diskBytes ? $"{file.Path}: is of a disk of {length} bytes" : null;
        }
        catch (ProtocolException e)
        {
            return $"{file.Path}: the header does not parse: {e.Message}";
        }
    }
}
