namespace VmRepl.Fuzz.Storage;

/// <summary>
/// The bytes of a file, in pages of which those of a common original are shared until they are changed: a mutant of a large file costs the pages that differ. Pages that nobody wrote are holes, so a file
/// may be longer than memory. Not safe for concurrent changes.
/// </summary>
public sealed class PagedBytes
{
    public const int PageBytes = 16 << 10;

    private readonly byte[]?[] original;
    private readonly Dictionary<long, byte[]> changed;

    // Bytes of the original that still count: a file that was cut and grown again has zeros there.
    private long originalLength;

    public PagedBytes(ReadOnlySpan<byte> contents)
    {
        original = new byte[]?[(contents.Length + PageBytes - 1) / PageBytes];
        changed = [];
        originalLength = Length = contents.Length;
        for (var i = 0; i < original.Length; i++)
        {
            var page = contents.Slice(i * PageBytes, Math.Min(PageBytes, contents.Length - (i * PageBytes)));
            if (!page.ContainsAnyExcept((byte)0)) continue;
            original[i] = new byte[PageBytes];
            page.CopyTo(original[i]);
        }
    }

    private PagedBytes(PagedBytes from)
    {
        original = from.original;
        originalLength = from.originalLength;
        Length = from.Length;
        changed = new Dictionary<long, byte[]>(from.changed.Count + 4);
        foreach (var (index, page) in from.changed) changed[index] = [.. page];
    }

    public long Length { get; private set; }

    /// <summary>Pages of its own.</summary>
    public int ChangedPages => changed.Count;

    /// <summary>A copy that changes by itself.</summary>
    public PagedBytes Fork() => new(this);

    public int Read(long offset, Span<byte> buffer)
    {
        var count = offset < 0 ? throw new ArgumentOutOfRangeException(nameof(offset)) : (int)Math.Clamp(Length - offset, 0, buffer.Length);
        for (var done = 0; done < count;)
        {
            var at = offset + done;
            var inPage = (int)(at % PageBytes);
            var step = Math.Min(count - done, PageBytes - inPage);
            ReadPage(at / PageBytes, inPage, buffer.Slice(done, step));
            done += step;
        }

        return count;
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        if (offset + data.Length > Length) Length = checked(offset + data.Length);
        while (data.Length > 0)
        {
            var inPage = (int)(offset % PageBytes);
            var step = Math.Min(data.Length, PageBytes - inPage);
            data[..step].CopyTo(Own(offset / PageBytes).AsSpan(inPage));
            data = data[step..];
            offset += step;
        }
    }

    public void SetLength(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        if (length < Length)
        {
            originalLength = Math.Min(originalLength, length);
            foreach (var index in changed.Keys.Where(i => i * PageBytes >= length).ToArray()) changed.Remove(index);
            if (changed.TryGetValue(length / PageBytes, out var last)) last.AsSpan((int)(length % PageBytes)).Clear();
        }

        Length = length;
    }

    /// <summary>Makes the range zeros; whole pages become holes where nothing of the original lies under them.</summary>
    public void Clear(long offset, long length)
    {
        var end = Math.Min(Length, offset + length);
        // Past the original only pages that were changed hold anything.
        foreach (var index in changed.Keys.Where(i => i * PageBytes < end && (i + 1) * PageBytes > Math.Max(offset, Sealed)).ToArray())
        {
            var (from, to) = (Math.Max(offset, index * PageBytes), Math.Min(end, (index + 1) * PageBytes));
            changed[index].AsSpan((int)(from - (index * PageBytes)), (int)(to - from)).Clear();
        }

        for (var at = offset; at < Math.Min(end, Sealed);)
        {
            var inPage = (int)(at % PageBytes);
            var step = (int)Math.Min(end - at, PageBytes - inPage);
            if (HasPage(at / PageBytes)) Own(at / PageBytes).AsSpan(inPage, step).Clear();
            at += step;
        }
    }

    /// <summary>Runs of pages with data and without, which cover the range up to the file's end.</summary>
    public IEnumerable<(long Offset, long Length, bool IsHole)> Runs(long offset, long length)
    {
        var end = Math.Min(Length, offset + length);
        var pages = new List<long>();
        for (var index = offset / PageBytes; index * PageBytes < Math.Min(end, Sealed); index++)
        {
            if (HasPage(index)) pages.Add(index);
        }

        if (changed.Count > 0) pages.AddRange(changed.Keys.Where(i => i >= (Sealed + PageBytes - 1) / PageBytes && i >= offset / PageBytes && i * PageBytes < end).Order());
        var at = offset;
        foreach (var index in pages)
        {
            var from = Math.Max(at, index * PageBytes);
            if (from > at) yield return (at, from - at, true);
            at = Math.Min(end, (index + 1) * PageBytes);
            yield return (from, at - from, false);
        }

        if (at < end) yield return (at, end - at, true);
    }

    // Where the original's own pages end.
    private long Sealed => Math.Min(originalLength, (long)original.Length * PageBytes);

    private bool HasPage(long index) => changed.ContainsKey(index) || (index < original.Length && index * PageBytes < originalLength && original[index] is not null);

    private void ReadPage(long index, int inPage, Span<byte> target)
    {
        if (changed.TryGetValue(index, out var page))
        {
            page.AsSpan(inPage, target.Length).CopyTo(target);
            return;
        }

        var count = (int)Math.Clamp(originalLength - (index * PageBytes) - inPage, 0, target.Length);
        if (count > 0 && original[index] is { } shared) shared.AsSpan(inPage, count).CopyTo(target);
        else count = 0;
        target[count..].Clear();
    }

    private byte[] Own(long index)
    {
        if (changed.TryGetValue(index, out var page)) return page;
        page = new byte[PageBytes];
        ReadPage(index, 0, page);
        return changed[index] = page;
    }
}
