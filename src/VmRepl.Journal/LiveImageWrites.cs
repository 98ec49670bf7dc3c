using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal;

/// <summary>Writes the contents of a batch's records to the live images: those that follow one another on the disk in one call, and what is large around the host's page cache.</summary>
internal sealed class LiveImageWrites(IReadOnlyDictionary<uint, IBlockDevice> live)
{
    /// <summary>Writing back is begun from this size on: less may be overwritten before anybody needs it on the disk.</summary>
    private const long WriteBackBytesMin = 256 << 10;

    private readonly List<ReadOnlyMemory<byte>> parts = [];
    private uint disk;
    private long start, end;

    /// <summary>Writes the record's payload now or with what follows it: it is there after <see cref="Finish"/>.</summary>
    public void Add(Record record)
    {
        var header = record.Header;
        if (parts.Count > 0 && (header.Disk != disk || header.Offset != end)) Finish();
        if (parts.Count == 0) (disk, start, end) = (header.Disk, header.Offset, header.Offset);
        parts.Add(record.Payload);
        end += header.Length;
    }

    /// <summary>Everything written is seen by other processes.</summary>
    public void Settle()
    {
        foreach (var device in live.Values.OfType<IHostBacked>()) device.FinishWrites();
    }

    /// <summary>Everything added is written.</summary>
    public void Finish()
    {
        if (parts.Count == 0) return;
        var device = live[disk];
        var length = end - start;
        if (length >= IHostFile.AroundCacheBytesMin && device is IHostBacked large)
        {
            large.WriteAroundCache(start, parts);
        }
        else
        {
            var at = start;
            foreach (var part in parts)
            {
                device.Write(at, part.Span);
                at += part.Length;
            }

            // The checkpoint's flush then has less to wait for.
            if (length >= WriteBackBytesMin && device is IHostBacked backed) backed.BeginWriteBack(start, length);
        }

        parts.Clear();
    }
}
