namespace VmRepl.Simulation.Storage;

/// <summary>A simulated file's contents, whatever its names: pages, and a length that is durable only once flushed.</summary>
internal sealed class SimulatedInode(SimulatedVolume volume)
{
    private readonly HashSet<SimulatedPage> unflushed = [];
    private SimulatedPage?[] pages = [];
    private long durableLength;

    /// <summary>Tells files apart on one volume.</summary>
    public ulong Number { get; } = volume.NextNumber();

    public long Length { get; private set; }

    public long AllocatedBytes { get; private set; }

    public int Read(long offset, Span<byte> buffer)
    {
        var total = (int)Math.Clamp(Length - offset, 0, buffer.Length);
        for (var done = 0; done < total;)
        {
            var (index, within) = Math.DivRem(offset + done, SimulatedPage.Bytes);
            var part = Math.Min(total - done, SimulatedPage.Bytes - (int)within);
            var target = buffer.Slice(done, part);
            if (Find(index)?.Current is { } bytes) bytes.AsSpan((int)within, part).CopyTo(target);
            else target.Clear();
            done += part;
        }

        return total;
    }

    /// <exception cref="IOException">The volume is full; what came before is written.</exception>
    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        for (var done = 0; done < data.Length;)
        {
            var (index, within) = Math.DivRem(offset + done, SimulatedPage.Bytes);
            var part = Math.Min(data.Length - done, SimulatedPage.Bytes - (int)within);
            var page = FindOrAdd(index);
            if (page.Current is null)
            {
                volume.Take(SimulatedPage.Bytes);
                AllocatedBytes += SimulatedPage.Bytes;
            }

            // The host writes back when it likes: what a loss of power leaves may be a state between the last flush and now.
            if (unflushed.Contains(page) && volume.WritesBackNow()) page.Flush();
            page.Write((int)within, data.Slice(done, part));
            unflushed.Add(page);
            done += part;
            Length = Math.Max(Length, offset + done);
        }
    }

    public void SetLength(long length)
    {
        if (length < Length) Punch(length, Length - length);
        Length = length;
    }

    public void Punch(long offset, long length)
    {
        var end = Math.Min(offset + length, Math.Max(Length, offset));
        for (var at = offset; at < end;)
        {
            var (index, within) = Math.DivRem(at, SimulatedPage.Bytes);
            var part = Math.Min(end - at, SimulatedPage.Bytes - within);
            at += part;
            if (Find(index) is not { Current: not null } page) continue;
            page.Punch((int)within, (int)part);
            unflushed.Add(page);
            if (page.Current is not null) continue;
            volume.Give(SimulatedPage.Bytes);
            AllocatedBytes -= SimulatedPage.Bytes;
        }
    }

    /// <summary>A page of the file as it is; empty where it has no space.</summary>
    public ReadOnlySpan<byte> Page(long index) => Find(index)?.Current ?? [];

    /// <summary>The page's own bytes, for stores that nobody announces: all of it counts as unflushed from now on.</summary>
    public Span<byte> WritablePage(long index)
    {
        var page = FindOrAdd(index);
        if (page.Current is null) throw new InvalidOperationException($"page {index} has no space");
        if (unflushed.Contains(page) && volume.WritesBackNow()) page.Flush();
        unflushed.Add(page);
        return page.Open();
    }

    /// <summary>Gives pages space; they stay as they are.</summary>
    /// <exception cref="IOException">The volume is full; what came before has its space.</exception>
    public void Reserve(long first, long count)
    {
        for (var index = first; index < first + count; index++)
        {
            if (IsHole(index)) Write(index * SimulatedPage.Bytes, new byte[SimulatedPage.Bytes]);
        }
    }

    public void Flush(long first, long count)
    {
        for (var index = first; index < first + count; index++)
        {
            if (Find(index) is { } page && unflushed.Remove(page)) page.Flush();
        }

        durableLength = Length;
    }

    public void Flush()
    {
        foreach (var page in unflushed) page.Flush();
        unflushed.Clear();
        durableLength = Length;
    }

    /// <summary>
    /// A flush that failed, as Linux leaves it: the pages count as written, stay readable, and are not durable until they are written again. A later flush that succeeds says nothing about them.
    /// Holes are not contents: the file system's own log has them.
    /// </summary>
    public void ForgetUnflushed() => unflushed.RemoveWhere(p => p.Current is not null);

    /// <summary>Some of the range is written back without being asked for.</summary>
    public void BeginWriteBack(long offset, long length)
    {
        for (var index = offset / SimulatedPage.Bytes; index * SimulatedPage.Bytes < offset + length; index++)
        {
            if (Find(index) is { } page && unflushed.Contains(page) && volume.WritesBackNow()) page.Flush();
        }
    }

    /// <summary>One bit is not what it was. In a hole that takes a page, as a stray write does.</summary>
    public void FlipBit(long offset, int bit)
    {
        var page = FindOrAdd(offset / SimulatedPage.Bytes);
        if (page.Current is null)
        {
            volume.Take(SimulatedPage.Bytes);
            AllocatedBytes += SimulatedPage.Bytes;
            page.Write(0, new byte[SimulatedPage.Bytes]);
            page.Flush();
        }

        page.FlipBit((int)(offset % SimulatedPage.Bytes), bit);
    }

    public bool IsHole(long page) => Find(page)?.Current is null;

    /// <summary>The first page behind <paramref name="first"/> that is a hole where that one is none, or none where it is one; at most <paramref name="end"/>.</summary>
    public long RunEnd(long first, long end)
    {
        var isHole = IsHole(first);
        var next = first + 1;
        for (var there = Math.Min(end, pages.Length); next < there && pages[next]?.Current is null == isHole;) next++;
        return next >= pages.Length && isHole ? end : Math.Min(next, end);
    }

    /// <summary>Power is lost. Afterwards what is left is durable.</summary>
    public void LosePower(Func<bool> survives)
    {
        AllocatedBytes = 0;
        unflushed.Clear();
        // In the order of the pages: the seed has to decide everything.
        foreach (var page in pages) page?.LosePower(survives);
        if (Length != durableLength && !survives()) Length = durableLength;
        durableLength = Length;
        for (var index = 0; index < pages.Length; index++)
        {
            if (pages[index] is not { } page) continue;
            if (page.Current is null || (long)index * SimulatedPage.Bytes >= Length) pages[index] = null;
            else AllocatedBytes += SimulatedPage.Bytes;
        }
    }

    private SimulatedPage? Find(long index) => index < pages.Length ? pages[index] : null;

    private SimulatedPage FindOrAdd(long index)
    {
        if (index >= pages.Length) Array.Resize(ref pages, (int)Math.Max(index + 1, pages.Length + (pages.Length / 2)));
        return pages[index] ??= new SimulatedPage();
    }
}
