using VmRepl.Blocks.Files;

namespace VmRepl.Journal.Segments;

/// <summary>
/// The open files of the segments of one journal, limited in number: opened at first use, the one used longest ago closed, never one that somebody reads just now or that is to be kept.
/// Safe for concurrent use.
/// </summary>
internal sealed class SegmentHandles
{
    // More than a journal of some GiB has segments, so that random reads of it open nothing; few beside what a process may have.
    private const int OpenMax = 256;

    private readonly Lock gate = new();
    private readonly List<Handle> open = [];
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

    private void Make(Handle handle)
    {
        while (open.Count >= OpenMax)
        {
            Handle? oldest = null;
            foreach (var other in open)
            {
                if (other.MayClose && (oldest is null || other.UsedAt < oldest.UsedAt)) oldest = other;
            }

            if (oldest is null) break;
            oldest.CloseFile();
        }

        open.Add(handle);
    }

    /// <summary>The file of one segment, which may be open or not.</summary>
    /// <param name="open">Opens and verifies it.</param>
    internal sealed class Handle(SegmentHandles handles, Func<IHostFile> open) : IDisposable
    {
        private IHostFile? file;
        private int users;
        private bool isKept;
        private bool isClosed;

        public long UsedAt { get; private set; }

        public bool MayClose => users == 0 && !isKept;

        /// <summary>The file, open until <see cref="Release"/>.</summary>
        /// <exception cref="ObjectDisposedException">The segment was closed.</exception>
        public IHostFile Acquire()
        {
            lock (handles.gate)
            {
                ObjectDisposedException.ThrowIf(isClosed, this);
                UsedAt = ++handles.clock;
                if (file is null)
                {
                    file = open();
                    handles.Make(this);
                }

                users++;
                return file;
            }
        }

        public void Release()
        {
            lock (handles.gate)
            {
                if (--users == 0 && isClosed) CloseFile();
            }
        }

        /// <summary>Keeps the file open: it is written, or its name is about to go.</summary>
        public void Keep()
        {
            Acquire();
            lock (handles.gate)
            {
                isKept = true;
                users--;
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
                isClosed = true;
                if (users == 0) CloseFile();
            }
        }

        /// <summary>Under the lock.</summary>
        internal void CloseFile()
        {
            if (file is null) return;
            handles.open.Remove(this);
            file.Dispose();
            file = null;
        }
    }
}
