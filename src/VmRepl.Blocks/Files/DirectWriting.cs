using System.ComponentModel;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace VmRepl.Blocks.Files;

/// <summary>
/// Writing to a file around the host's page cache (O_DIRECT), through a second descriptor of the same file. The kernel keeps the cache of the first in step: what it holds of a range is written back before and
/// dropped after. Durability is that of any write: what has reached the device's cache still needs a flush.
/// <para>A write is begun and left to itself, as one into the page cache is: whoever is about to touch its range waits for it (<see cref="Settle"/>), a flush waits for all. One that failed is told to
/// everybody who comes afterwards.</para>
/// Safe for concurrent use.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class DirectWriting : IDisposable
{
    /// <summary>What offset and length have to be multiples of: the largest block of the devices that are about.</summary>
    public const int Alignment = 4096;

    private readonly SafeFileHandle handle;
    private readonly Lock gate = new();
    private readonly List<Extent> underWay = [];
    private DirectQueue? queue;
    private bool hasWorked;
    private int failure;

    private DirectWriting(SafeFileHandle handle) => this.handle = handle;

    /// <summary>Null where the volume has no such writing.</summary>
    /// <param name="file">Open for writing.</param>
    public static DirectWriting? TryOpen(SafeFileHandle file)
    {
        // By descriptor: the name may be another file's by now.
        var descriptor = LibC.Open($"/proc/self/fd/{file.DangerousGetHandle()}", LibC.ReadWrite | LibC.Direct | LibC.CloseOnExec);
        return descriptor < 0 ? null : new DirectWriting(new SafeFileHandle(descriptor, ownsHandle: true));
    }

    /// <summary>Begins to write the parts one after the other; their memory is the caller's again on return.</summary>
    /// <param name="offset">A multiple of <see cref="Alignment"/>, as the sum of the lengths is.</param>
    /// <returns>False where the host refuses such writing, now or always: everything has to be written in another way then.</returns>
    /// <exception cref="Win32Exception">A write failed; the range may hold anything.</exception>
    public bool TryWrite(long offset, IReadOnlyList<ReadOnlyMemory<byte>> parts)
    {
        lock (gate)
        {
            var extent = new Extent(offset, parts.Sum(p => (long)p.Length));
            SettleLocked(extent);
            queue ??= DirectQueue.TryRent();
            if (queue is null) return false;
            underWay.Add(extent);
            var error = Begin(queue, offset, extent.Length, parts);
            // The first one shows whether the volume, which lets a file be opened so, also lets it be written so.
            if (error == 0 && hasWorked) return true;
            if (Finish() is var earlier && error == 0) error = earlier;
            if (!hasWorked && error is LibC.InvalidArgument or LibC.NotSupported) return false;
            failure = error;
            ThrowIfFailed();
            hasWorked = true;
            return true;
        }
    }

    /// <summary>Waits for what is being written to the range.</summary>
    /// <exception cref="Win32Exception">A write failed.</exception>
    public void Settle(Extent extent)
    {
        if (Volatile.Read(ref queue) is null && Volatile.Read(ref failure) == 0) return;
        lock (gate) SettleLocked(extent);
    }

    /// <summary>Waits for everything.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            Finish();
            handle.Dispose();
        }
    }

    private void SettleLocked(Extent extent)
    {
        if (underWay.Exists(u => u.Overlaps(extent)) && Finish() is not 0 and var error) failure = error;
        ThrowIfFailed();
    }

    private void ThrowIfFailed()
    {
        if (failure != 0) throw new Win32Exception(failure);
    }

    private int Finish()
    {
        if (queue is null) return 0;
        var error = queue.Finish();
        queue.Return();
        underWay.Clear();
        Volatile.Write(ref queue, null);
        return error;
    }

    private int Begin(DirectQueue into, long offset, long left, IReadOnlyList<ReadOnlyMemory<byte>> parts)
    {
        var source = new PartCursor(parts);
        while (left > 0)
        {
            var buffer = into.Next(out var number, out var error);
            if (error != 0) return error;
            var length = (int)Math.Min(buffer.Length, left);
            source.CopyTo(buffer[..length]);
            error = into.Begin(number, handle, length, offset);
            if (error != 0) return error;
            left -= length;
            offset += length;
        }

        return 0;
    }

    /// <summary>Copies out of several parts as if they were one.</summary>
    private struct PartCursor(IReadOnlyList<ReadOnlyMemory<byte>> parts)
    {
        private int part;
        private int done;

        public void CopyTo(Span<byte> target)
        {
            while (target.Length > 0)
            {
                var rest = parts[part].Span[done..];
                var count = Math.Min(rest.Length, target.Length);
                rest[..count].CopyTo(target);
                target = target[count..];
                done += count;
                if (done < parts[part].Length) continue;
                part++;
                done = 0;
            }
        }
    }
}
