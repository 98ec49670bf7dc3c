using VmRepl.Blocks;

namespace VmRepl.Images.Vhdx;

/// <summary>
/// Pages of sector bitmaps ([MS-VHDX] 2.5.1.2) that were changed and have not reached the file: 4096 bytes each, as the log takes them.
/// They lie over the file for every reader here until they are in it. Safe for concurrent use.
/// </summary>
internal sealed class SectorBitmapChanges(VhdxFile file)
{
    private const int PageBytes = VhdxLayout.LogSectorBytes;
    private const int PageBits = PageBytes * 8;

    private readonly Lock gate = new();
    private readonly SortedDictionary<long, byte[]> changed = [];
    private readonly Dictionary<long, byte[]> committing = [];

    /// <summary>Whether the file does not have all of it yet.</summary>
    public bool HasUnwritten
    {
        get
        {
            lock (gate) return changed.Count + committing.Count > 0;
        }
    }

    /// <summary>Pages that differ from the file.</summary>
    public int ChangedPages
    {
        get
        {
            lock (gate) return changed.Count;
        }
    }

    /// <summary>Fills <paramref name="bits"/> from <paramref name="offset"/> of the file, as it will be.</summary>
    public void Read(long offset, Span<byte> bits)
    {
        // Under the lock, so that a page cannot reach the file and be forgotten between the two steps.
        lock (gate)
        {
            file.Read(offset, bits, "sector bitmap");
            for (var at = Sectors.AlignDown(offset, PageBytes); at < offset + bits.Length; at += PageBytes)
            {
                if (Known(at) is not { } page) continue;
                var from = Math.Max(at, offset);
                var to = Math.Min(at + PageBytes, offset + bits.Length);
                page.AsSpan((int)(from - at), (int)(to - from)).CopyTo(bits[(int)(from - offset)..]);
            }
        }
    }

    /// <summary>Sets or clears <paramref name="count"/> bits of the bitmap block at <paramref name="place"/> of the file, from <paramref name="first"/> on.</summary>
    public void Set(long place, long first, long count, bool value)
    {
        lock (gate)
        {
            while (count > 0)
            {
                var inPage = (int)(first % PageBits);
                var some = (int)Math.Min(count, PageBits - inPage);
                SetInPage(place + (first / PageBits * PageBytes), inPage, some, value);
                first += some;
                count -= some;
            }
        }
    }

    /// <summary>Copies of the changed pages, with their places in the file. They stay over the file until <see cref="Committed"/>.</summary>
    public List<(long FileOffset, byte[] Page)> TakeChanged()
    {
        lock (gate)
        {
            var taken = new List<(long, byte[])>(changed.Count);
            foreach (var (offset, page) in changed)
            {
                taken.Add((offset, [.. page]));
                committing[offset] = page;
            }

            changed.Clear();
            return taken;
        }
    }

    /// <summary>What <see cref="TakeChanged"/> handed out is in the file.</summary>
    public void Committed()
    {
        lock (gate) committing.Clear();
    }

    private byte[]? Known(long at) => changed.GetValueOrDefault(at) ?? committing.GetValueOrDefault(at);

    private void SetInPage(long at, int first, int count, bool value)
    {
        var page = Known(at);
        if (page is null)
        {
            page = new byte[PageBytes];
            file.Read(at, page, "sector bitmap");
        }
        else if (!changed.ContainsKey(at))
        {
            page = [.. page];
        }

        var isChanged = false;
        for (var bit = first; bit < first + count;)
        {
            if (bit % 8 == 0 && first + count - bit >= 8)
            {
                isChanged |= Put(ref page[bit / 8], value ? byte.MaxValue : (byte)0);
                bit += 8;
                continue;
            }

            var mask = (byte)(1 << (bit % 8));
            isChanged |= Put(ref page[bit / 8], (byte)(value ? page[bit / 8] | mask : page[bit / 8] & ~mask));
            bit++;
        }

        if (isChanged) changed[at] = page;

        static bool Put(ref byte place, byte next)
        {
            if (place == next) return false;
            place = next;
            return true;
        }
    }
}
