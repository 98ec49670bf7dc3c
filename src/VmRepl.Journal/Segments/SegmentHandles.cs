using VmRepl.Blocks.Files;

namespace VmRepl.Journal.Segments;

/// <summary>
/// The open files of the segments of one journal, limited in number: opened at first use, the one used longest ago closed, never one that somebody reads just now or that is to be kept.
/// Safe for concurrent use.
/// </summary>
/// <param name="openMax">Most files that are open at a time, unless more are used or kept at once.</param>
internal sealed class SegmentHandles(int openMax = SegmentHandles.OpenMax)
{
    // More than a journal of some GiB has segments, so that random reads of it open nothing; few beside what a process may have.
    private const int OpenMax = 256;

    private readonly Lock gate = new();
    private readonly List<Handle> open = [];

    // Counts the files opened: what was used since the last opening is equally old, so that a use of an open file writes nothing that others read.
    private long clock;
    private long bytesRead;

    /// <summary>Number of files open now.</summary>
    public int OpenCount
    {
        get
        {
            lock (gate) return open.Count;
        }
    }

    /// <summary>Bytes read of the segments so far.</summary>
    public long BytesRead => Interlocked.Read(ref bytesRead);

    /// <summary>The checksums of records that were read last.</summary>
    public ChecksumCache Checksums { get; } = new();

    public void CountRead(long bytes) => Interlocked.Add(ref bytesRead, bytes);

    /// <summary>Under the lock, before one more file is opened.</summary>
    private void MakeRoom()
    {
        while (open.Count >= openMax)
        {
            Handle? oldest = null;
            foreach (var other in open)
            {
                if (other.MayClose && (oldest is null || other.UsedAt < oldest.UsedAt)) oldest = other;
            }

            if (oldest is null) break;
            // One that somebody began to use meanwhile is not closed, and not chosen again.
            oldest.TryCloseFile();
        }
    }

    /// <summary>The file of one segment, which may be open or not. Its use, once it is open, waits for nobody.</summary>
    /// <param name="open">Opens and verifies it.</param>
    internal sealed class Handle(SegmentHandles handles, Func<IHostFile> open) : IDisposable
    {
        // Added to the number of users while the file is being closed: whoever comes then finds a negative number and waits for the lock.
        private const int Closing = int.MinValue / 2;

        private IHostFile? file;
        private int users;
        private long usedAt;
        private bool isKept;
        private bool isClosed;

        public long UsedAt => Volatile.Read(ref usedAt);

        public bool MayClose => Volatile.Read(ref users) == 0 && !isKept;

        /// <summary>The file, open until <see cref="Release"/>.</summary>
        /// <exception cref="ObjectDisposedException">The segment was closed.</exception>
        public IHostFile Acquire()
        {
            if (Interlocked.Increment(ref users) > 0 && !Volatile.Read(ref isClosed) && Volatile.Read(ref file) is { } opened)
            {
                var now = Volatile.Read(ref handles.clock);
                if (UsedAt != now) Volatile.Write(ref usedAt, now);
                return opened;
            }

            Release();
            return AcquireSlowly();
        }

        public void Release()
        {
            // Whoever closes the handle sees this use, or this sees that it was closed.
            if (Interlocked.Decrement(ref users) != 0 || !Volatile.Read(ref isClosed)) return;
            lock (handles.gate) TryCloseFile();
        }

        /// <summary>Keeps the file open: it is written, or its name is about to go.</summary>
        public void Keep()
        {
            lock (handles.gate)
            {
                AcquireSlowly();
                isKept = true;
                Interlocked.Decrement(ref users);
            }
        }

        /// <summary>The file may be closed between uses from now on.</summary>
        public void Unkeep()
        {
            lock (handles.gate) isKept = false;
        }

        /// <summary>No use begins any more; the file is closed at the end of the last one.</summary>
        public void Dispose()
        {
            lock (handles.gate)
            {
                Volatile.Write(ref isClosed, true);
                TryCloseFile();
            }
        }

        /// <summary>Under the lock: closes the file unless somebody uses it just now.</summary>
        internal void TryCloseFile()
        {
            if (file is not { } opened || Interlocked.CompareExchange(ref users, Closing, 0) != 0) return;
            handles.open.Remove(this);
            Volatile.Write(ref file, null);
            Interlocked.Add(ref users, -Closing);
            opened.Dispose();
        }

        private IHostFile AcquireSlowly()
        {
            lock (handles.gate)
            {
                ObjectDisposedException.ThrowIf(isClosed, this);
                if (file is null)
                {
                    // Room first: the process never has one file more than it may, and one that cannot be closed leaves none open that nobody knows of.
                    handles.MakeRoom();
                    var opened = open();
                    handles.open.Add(this);
                    Volatile.Write(ref file, opened);
                    Volatile.Write(ref handles.clock, handles.clock + 1);
                }

                Volatile.Write(ref usedAt, handles.clock);
                Interlocked.Increment(ref users);
                return file;
            }
        }
    }
}
