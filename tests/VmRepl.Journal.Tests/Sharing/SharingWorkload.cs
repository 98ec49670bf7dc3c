using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Sharing;

/// <summary>Batches decided by a seed: the same in every process. Large and small records, unaligned ones among them, over one another, with punches; each batch ends in a point.</summary>
internal sealed class SharingWorkload(int seed)
{
    private const int BaselineBytes = TestGroup.DiskBytes / 2;

    private readonly Random random = new(seed);
    private int batches;

    public static void Begin(TestGroup group)
    {
        group.Baseline(0, BaselineBytes, 0xEE);
        group.EndBaseline();
    }

    /// <summary>Appends one batch more.</summary>
    public ulong Append(TestGroup group)
    {
        batches++;
        var records = new List<Record>();
        for (var count = random.Next(1, 4); count > 0; count--)
        {
            // Whole blocks mostly; the rest begins or ends inside of one.
            var unit = random.Next(4) == 0 ? 512 : 4096;
            var length = random.Next(3) == 0 ? random.Next(1, 16) * unit : random.Next((64 << 10) / unit, (256 << 10) / unit) * unit;
            var offset = random.Next((TestGroup.DiskBytes - length) / unit) * unit;
            records.Add(random.Next(8) == 0 ? group.Make(RecordKind.Punch, offset, length) : group.Write(offset, length, (byte)random.Next(1, 256)));
        }

        return group.Append([.. records, group.Bookmark($"b{batches}")]);
    }
}
