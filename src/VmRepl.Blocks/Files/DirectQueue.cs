using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace VmRepl.Blocks.Files;

/// <summary>
/// A few aligned buffers, and a queue of the kernel's (io_submit, Linux's asynchronous I/O) that writes them to files opened with O_DIRECT while the next one is filled.
/// One user at a time. Everything that was begun has ended before <see cref="Finish"/> returns, whatever its result.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe class DirectQueue
{
    public const int BufferBytes = 512 << 10;

    private const int Depth = 16;

    /// <summary>A large page of x86-64, and of ARM with small pages of 4 KiB.</summary>
    private const int HugePageBytes = 2 << 20;

    // For the whole process, and never given back. Who comes when all are in use writes through the page cache.
    private const int QueuesMax = 8;

    private static readonly ConcurrentBag<DirectQueue> Idle = [];
    private static int made;

    private readonly nint context;
    private readonly byte* memory;
    private readonly LibC.AioRequest* requests;
    private readonly Stack<int> free = new(Enumerable.Range(0, Depth));
    private int underWay;

    private DirectQueue(nint context)
    {
        this.context = context;
        memory = (byte*)NativeMemory.AlignedAlloc(Depth * BufferBytes, HugePageBytes);
        // The kernel takes hold of each page of a write, and hands each piece that does not lie next to the one before to the device by itself. Where it has no large pages to give, small ones do as well.
        _ = LibC.MAdvise((nint)memory, Depth * BufferBytes, LibC.AdviseHugePages);
        requests = (LibC.AioRequest*)NativeMemory.AllocZeroed(Depth, (nuint)sizeof(LibC.AioRequest));
    }

    /// <summary>One that nobody uses; null where there are enough, or the kernel has none to give.</summary>
    public static DirectQueue? TryRent()
    {
        if (Idle.TryTake(out var idle)) return idle;
        nint context = 0;
        if (Interlocked.Increment(ref made) <= QueuesMax && LibC.Call(LibC.IoSetup, Depth, (nint)(&context), 0, 0, 0) == 0) return new DirectQueue(context);
        Interlocked.Decrement(ref made);
        return null;
    }

    public void Return() => Idle.Add(this);

    /// <summary>A buffer to fill, and its number for <see cref="Begin"/>; waits for one to be written where all are on their way.</summary>
    /// <param name="error">The system's number for what went wrong with an earlier one; there is no buffer then.</param>
    public Span<byte> Next(out int number, out int error)
    {
        error = free.Count == 0 ? Wait(1) : 0;
        if (error != 0)
        {
            number = -1;
            return default;
        }

        number = free.Pop();
        return new Span<byte>(memory + (number * BufferBytes), BufferBytes);
    }

    /// <summary>Begins to write the first <paramref name="length"/> bytes of a buffer.</summary>
    /// <returns>The system's number for what went wrong, or 0.</returns>
    public int Begin(int number, SafeFileHandle file, int length, long offset)
    {
        var request = requests + number;
        *request = new LibC.AioRequest
        {
            Data = (ulong)number,
            Operation = LibC.AioWrite,
            File = (uint)file.DangerousGetHandle(),
            Buffer = (ulong)(memory + (number * BufferBytes)),
            Length = (ulong)length,
            Offset = offset,
        };
        while (true)
        {
            if (LibC.Call(LibC.IoSubmit, context, 1, (nint)(&request), 0, 0) == 1)
            {
                underWay++;
                return 0;
            }

            switch (Marshal.GetLastPInvokeError())
            {
                case LibC.Interrupted:
                    continue;
                // The kernel has no room for one more at the moment.
                case LibC.TryAgain when underWay > 0 && Wait(1) is var earlier:
                    if (earlier == 0) continue;
                    free.Push(number);
                    return earlier;
                case var failed:
                    free.Push(number);
                    return failed;
            }
        }
    }

    /// <summary>Waits for everything that was begun.</summary>
    /// <returns>The system's number for what went wrong first, or 0.</returns>
    public int Finish() => Wait(underWay);

    private int Wait(int count)
    {
        var error = 0;
        var events = stackalloc LibC.AioEvent[Depth];
        while (count > 0)
        {
            var ended = (int)LibC.Call(LibC.IoGetEvents, context, 1, Depth, (nint)events, 0);
            if (ended < 0)
            {
                // Nothing else can fail of arguments that have held before; memory that is being written from must not be given to anybody.
                if (Marshal.GetLastPInvokeError() == LibC.Interrupted) continue;
                throw new InvalidOperationException($"io_getevents failed with {Marshal.GetLastPInvokeError()}");
            }

            for (var i = 0; i < ended; i++)
            {
                var number = (int)events[i].Data;
                var failed = events[i].Result < 0 ? (int)-events[i].Result : Complete(requests + number, (int)events[i].Result);
                if (error == 0) error = failed;
                free.Push(number);
            }

            underWay -= ended;
            count -= ended;
        }

        return error;
    }

    /// <summary>A write may end early, as any may: the rest is written at once.</summary>
    private static int Complete(LibC.AioRequest* request, int done)
    {
        using var file = new SafeFileHandle((nint)request->File, ownsHandle: false);
        while (done < (int)request->Length)
        {
            var written = LibC.PWrite(file, (byte*)request->Buffer + done, (nint)request->Length - done, request->Offset + done);
            if (written > 0) done += (int)written;
            else if (written == 0) return LibC.InputOutput;
            else if (Marshal.GetLastPInvokeError() is not LibC.Interrupted and var failed) return failed;
        }

        return 0;
    }
}
