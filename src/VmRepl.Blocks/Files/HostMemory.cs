using System.ComponentModel;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;

namespace VmRepl.Blocks.Files;

/// <summary>A file of the host that is mapped, shared.</summary>
internal sealed unsafe class HostMemory : IHostMemory
{
    private readonly HostFile file;
    private readonly MemoryMappedFile mapping;
    private readonly MemoryMappedViewAccessor view;
    private byte* first;

    /// <param name="file">This owns it from now on.</param>
    /// <exception cref="IOException">It is empty, or does not end with a page, or cannot be mapped.</exception>
    public HostMemory(HostFile file)
    {
        this.file = file;
        try
        {
            var length = file.Length;
            if (length == 0 || length % IHostMemory.PageBytes != 0) throw new IOException($"{file.Path}: {length} bytes are not whole pages");
            mapping = file.CreateMapping(length);
            try
            {
                view = mapping.CreateViewAccessor(0, length);
                view.SafeMemoryMappedViewHandle.AcquirePointer(ref first);
                first += view.PointerOffset;
                PageCount = length / IHostMemory.PageBytes;
                // Pages far apart are asked for one at a time; reading their neighbours too would only cost.
                if (OperatingSystem.IsLinux()) _ = LibC.MAdvise((nint)first, (nint)length, LibC.AdviseRandom);
            }
            catch
            {
                view?.Dispose();
                mapping.Dispose();
                throw;
            }
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public string Path => file.Path;

    public long PageCount { get; }

    public ReadOnlySpan<byte> Page(long index) => WritablePage(index);

    public Span<byte> WritablePage(long index)
    {
        ObjectDisposedException.ThrowIf(first is null, this);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)index, (ulong)PageCount);
        return new Span<byte>(first + (index * IHostMemory.PageBytes), IHostMemory.PageBytes);
    }

    public void Reserve(long firstPage, long count)
    {
        Check(firstPage, count);
        if (file.TryReserve(firstPage * IHostMemory.PageBytes, count * IHostMemory.PageBytes)) return;
        // Without a call for it, space is had by writing what is there already. A page at a time: nobody else writes a page that has no space yet.
        Span<byte> copy = stackalloc byte[IHostMemory.PageBytes];
        for (var page = firstPage; page < firstPage + count; page++)
        {
            WritablePage(page).CopyTo(copy);
            file.Write(page * IHostMemory.PageBytes, copy);
        }
    }

    public bool TryPunch(long firstPage, long count)
    {
        Check(firstPage, count);
        return file.TryPunch(firstPage * IHostMemory.PageBytes, count * IHostMemory.PageBytes);
    }

    public void Flush(long firstPage, long count)
    {
        Check(firstPage, count);
        if (!OperatingSystem.IsLinux())
        {
            view.Flush();
            file.Flush();
            return;
        }

        while (LibC.MSync((nint)(first + (firstPage * IHostMemory.PageBytes)), (nint)(count * IHostMemory.PageBytes), LibC.SynchronousSync) != 0)
        {
            if (Marshal.GetLastPInvokeError() == LibC.Interrupted) continue;
            var cause = new Win32Exception(Marshal.GetLastPInvokeError());
            throw new IOException($"{Path}: mapped pages cannot be made durable: {cause.Message}", cause);
        }
    }

    public void Dispose()
    {
        if (first is null) return;
        first = null;
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        mapping.Dispose();
        file.Dispose();
    }

    private void Check(long firstPage, long count)
    {
        ObjectDisposedException.ThrowIf(first is null, this);
        ArgumentOutOfRangeException.ThrowIfNegative(firstPage);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, PageCount - firstPage);
    }
}
