namespace VmRepl.Simulation.Storage;

/// <summary>
/// 4096 bytes of a simulated file, the unit of allocation: what a reader sees, and what is durable. Null is a hole.
/// The two share one array while they are equal.
/// </summary>
internal sealed class SimulatedPage
{
    public const int Bytes = 4096;
    public const int SectorBytes = 512;
    public const int SectorCount = Bytes / SectorBytes;

    public byte[]? Current { get; private set; }

    public byte[]? Durable { get; private set; }

    /// <summary>One bit for each sector that may differ.</summary>
    public byte Dirty { get; private set; }

    public void Write(int offset, ReadOnlySpan<byte> data)
    {
        if (Current is null) Current = new byte[Bytes];
        else if (ReferenceEquals(Current, Durable)) Current = (byte[])Current.Clone();
        data.CopyTo(Current.AsSpan(offset));
        MarkDirty(offset, data.Length);
    }

    /// <summary>The bytes themselves, which may be changed from now on; there have to be some.</summary>
    public Span<byte> Open()
    {
        if (ReferenceEquals(Current, Durable)) Current = (byte[])Current!.Clone();
        MarkDirty(0, Bytes);
        return Current;
    }

    /// <summary>The whole page becomes a hole; a part of one becomes zeros.</summary>
    public void Punch(int offset, int length)
    {
        if (Current is null) return;
        if (length == Bytes)
        {
            Current = null;
            MarkDirty(0, Bytes);
            return;
        }

        Write(offset, new byte[length]);
    }

    /// <summary>A bit changes by itself, in what is seen and in what is durable.</summary>
    public void FlipBit(int offset, int bit)
    {
        var isShared = ReferenceEquals(Current, Durable);
        if (Current is not null) Current[offset] ^= (byte)(1 << bit);
        if (!isShared && Durable is not null) Durable[offset] ^= (byte)(1 << bit);
    }

    public void Flush()
    {
        Durable = Current;
        Dirty = 0;
    }

    /// <summary>Power is lost: each dirty sector is what it was when it was last flushed, unless it survives.</summary>
    public void LosePower(Func<bool> survives)
    {
        if (Dirty == 0) return;
        var merged = Durable is null ? new byte[Bytes] : (byte[])Durable.Clone();
        var kept = 0;
        for (var sector = 0; sector < SectorCount; sector++)
        {
            if ((Dirty & (1 << sector)) == 0 || !survives()) continue;
            kept++;
            var target = merged.AsSpan(sector * SectorBytes, SectorBytes);
            if (Current is null) target.Clear();
            else Current.AsSpan(sector * SectorBytes, SectorBytes).CopyTo(target);
        }

        // A page that was a hole and of which nothing survived is one still; so is one that was punched whole and survived whole.
        var isHole = (Durable is null && kept == 0) || (Current is null && (kept == SectorCount || Durable is null));
        Current = Durable = isHole ? null : merged;
        Dirty = 0;
    }

    private void MarkDirty(int offset, int length)
    {
        for (var sector = offset / SectorBytes; sector * SectorBytes < offset + length; sector++) Dirty |= (byte)(1 << sector);
    }
}
