namespace VmRepl.Simulation.Storage;

/// <summary>A simulated file's contents, whatever its names: pages, and a length that is durable only once flushed.</summary>
internal sealed class SimulatedInode(SimulatedVolume volume)
{
    private readonly Dictionary<long, SimulatedPage> pages = [];
    private readonly HashSet<SimulatedPage> unflushed = [];
    private long durableLength;

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
            if (pages.GetValueOrDefault(index)?.Current is { } bytes) bytes.AsSpan((int)within, part).CopyTo(target);
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
            if (!pages.TryGetValue(index, out var page)) pages.Add(index, page = new SimulatedPage());
            if (page.Current is null)
            {
                volume.Take(SimulatedPage.Bytes);
                AllocatedBytes += SimulatedPage.Bytes;
            }

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
            if (!pages.TryGetValue(index, out var page) || page.Current is null) continue;
            page.Punch((int)within, (int)part);
            unflushed.Add(page);
            if (page.Current is not null) continue;
            volume.Give(SimulatedPage.Bytes);
            AllocatedBytes -= SimulatedPage.Bytes;
        }
    }

    public void Flush()
    {
        foreach (var page in unflushed) page.Flush();
        unflushed.Clear();
        durableLength = Length;
    }

    public bool IsHole(long page) => pages.GetValueOrDefault(page)?.Current is null;

    /// <summary>Power is lost. Afterwards what is left is durable.</summary>
    public void LosePower(Func<bool> survives)
    {
        // In the order of the pages, not of the set: the seed has to decide everything.
        foreach (var page in pages.OrderBy(p => p.Key).Select(p => p.Value))
        {
            if (page.Dirty != 0) page.LosePower(survives);
        }

        unflushed.Clear();
        if (Length != durableLength && !survives()) Length = durableLength;
        durableLength = Length;
        foreach (var index in pages.Keys.Where(i => i * SimulatedPage.Bytes >= Length || pages[i].Current is null).ToList()) pages.Remove(index);
        AllocatedBytes = (long)pages.Count * SimulatedPage.Bytes;
    }
}
