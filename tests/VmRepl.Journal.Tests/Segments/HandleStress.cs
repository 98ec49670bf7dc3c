using VmRepl.Journal.Segments;

namespace VmRepl.Journal.Tests.Segments;

/// <summary>
/// Handles of segments used from many threads at once, over files that count what is done to them: readers that hold one or more, one that keeps and lets go, one that disposes and puts another in the place,
/// as retirement does. What must hold is looked at where it happens; what did not is in <see cref="Broken"/>.
/// </summary>
/// <param name="slots">Number of segments at a time.</param>
/// <param name="openMax">Files that may be open.</param>
/// <param name="leases">Files that a reader holds at once.</param>
internal sealed class HandleStress(int slots, int openMax, int leases)
{
    private readonly SegmentHandles handles = new(openMax);
    private readonly Slot[] current = new Slot[slots];
    private readonly List<string> broken = [];
    private int replaced;
    private int readAfterDispose;
    private int kept;
    private volatile bool isOver;

    public CountedFiles Files { get; } = new();

    public IReadOnlyList<string> Broken => broken;

    /// <summary>Handles that were disposed while others used them, or might have.</summary>
    public int Replaced => replaced;

    /// <summary>Reads that ended after their handle was disposed.</summary>
    public int ReadAfterDispose => readAfterDispose;

    public int Kept => kept;

    /// <summary>Files that were open when all was disposed of.</summary>
    public int LeftOpen { get; private set; }

    /// <param name="rounds">What each reader does.</param>
    public void Run(int readers, int rounds)
    {
        for (var i = 0; i < slots; i++) current[i] = Make(i);
        var reading = Enumerable.Range(0, readers).Select(i => Start(() => Read(new Random(i), rounds))).ToList();
        var beside = new[] { Start(() => Keep(new Random(-1))), Start(() => Replace(new Random(-2))) };
        foreach (var thread in reading) thread.Join();
        isOver = true;
        foreach (var thread in beside) thread.Join();
        foreach (var slot in current) slot.Handle.Dispose();
        LeftOpen = handles.OpenCount;
    }

    private Slot Make(int number)
    {
        var slot = new Slot((byte)number);
        slot.Handle = new SegmentHandles.Handle(handles, () =>
        {
            Interlocked.Increment(ref slot.Opens);
            return Files.Open(slot.Number);
        });
        return slot;
    }

    private Thread Start(Action work)
    {
        var thread = new Thread(() =>
        {
            try
            {
                work();
            }
            catch (Exception e)
            {
                Note(e.ToString());
            }
        })
        { IsBackground = true };
        thread.Start();
        return thread;
    }

    private void Read(Random random, int rounds)
    {
        Span<byte> buffer = stackalloc byte[8];
        var held = new List<(Slot Slot, CountedFile File)>();
        for (var round = 0; round < rounds; round++)
        {
            var count = random.Next(leases) + 1;
            while (held.Count < count)
            {
                var number = random.Next(slots);
                var slot = Volatile.Read(ref current[number]);
                if (TryAcquire(slot) is { } file) held.Add((slot, file));
            }

            foreach (var (slot, file) in held)
            {
                buffer.Clear();
                file.Read(0, buffer);
                if (buffer.IndexOfAnyExcept(slot.Number) >= 0) Note($"segment {slot.Number} gave {buffer[0]}");
                if (slot.IsDisposed) Interlocked.Increment(ref readAfterDispose);
            }

            foreach (var (slot, _) in held) slot.Handle.Release();
            held.Clear();
        }
    }

    private void Keep(Random random)
    {
        Span<byte> buffer = stackalloc byte[8];
        while (!isOver)
        {
            var slot = Volatile.Read(ref current[random.Next(slots)]);
            try
            {
                slot.Handle.Keep();
            }
            catch (ObjectDisposedException) when (slot.IsDisposed)
            {
                continue;
            }

            var opens = Volatile.Read(ref slot.Opens);
            for (var i = 0; i < 20; i++)
            {
                if (TryAcquire(slot) is not { } file) continue;
                file.Read(0, buffer);
                slot.Handle.Release();
            }

            if (Volatile.Read(ref slot.Opens) != opens) Note($"segment {slot.Number} was closed while it was kept");
            slot.Handle.Unkeep();
            kept++;
        }
    }

    private void Replace(Random random)
    {
        while (!isOver)
        {
            var number = random.Next(slots);
            var slot = current[number];
            Volatile.Write(ref current[number], Make(number));
            slot.IsDisposed = true;
            slot.Handle.Dispose();
            replaced++;
            // Most of the time the others work on what is there.
            Thread.SpinWait(500);
        }
    }

    private static CountedFile? TryAcquire(Slot slot)
    {
        try
        {
            return (CountedFile)slot.Handle.Acquire();
        }
        catch (ObjectDisposedException) when (slot.IsDisposed)
        {
            return null;
        }
    }

    private void Note(string what)
    {
        lock (broken) broken.Add(what);
    }

    private sealed class Slot(byte number)
    {
        public int Opens;

        public byte Number => number;

        public SegmentHandles.Handle Handle { get; set; } = null!;

        public volatile bool IsDisposed;
    }
}
