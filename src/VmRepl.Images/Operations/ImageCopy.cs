using System.Runtime.ExceptionServices;
using VmRepl.Blocks;

namespace VmRepl.Images.Operations;

/// <summary>One copy under way: threads take the next piece of the map in turn, read it and write what is not zero. The first failure stops all of them.</summary>
internal sealed class ImageCopy(IBlockDevice source, IBlockDevice target, ConvertOptions options, CancellationToken ct)
{
    /// <summary>Zeros shorter than this are written with their surroundings: a hole of less saves no file-system block.</summary>
    internal const int ZeroGrainBytes = 4096;

    private const int WorkersMax = 4;
    private const long WriteBackBytes = 32 << 20;

    private readonly Lock gate = new();
    private readonly IEnumerator<(Extent Extent, bool HasData)> pieces = DataChunks.Of(source).GetEnumerator();

    // Pieces that were taken, in order, up to the first that is not done yet; only where somebody follows.
    private readonly Queue<Piece> taken = [];
    private ExceptionDispatchInfo? failure;
    private long bytesRead, bytesWritten, bytesDone;
    private bool isOver;

    public long BytesRead => bytesRead;

    public long BytesWritten => bytesWritten;

    public void Run()
    {
        var workers = new Thread[target is ISequentialImage ? 0 : Math.Min(Environment.ProcessorCount, WorkersMax) - 1];
        for (var i = 0; i < workers.Length; i++)
        {
            workers[i] = new Thread(Work) { IsBackground = true, Name = "image copy" };
            workers[i].Start();
        }

        Work();
        foreach (var worker in workers) worker.Join();
        pieces.Dispose();
        failure?.Throw();
    }

    private void Work()
    {
        try
        {
            using var buffer = PooledBuffer.Rent(DataChunks.ChunkBytes);
            while (Next() is { } piece) Copy(piece, buffer.Span[..(int)piece.Extent.Length]);
        }
        catch (Exception e)
        {
            lock (gate)
            {
                failure ??= ExceptionDispatchInfo.Capture(e);
                isOver = true;
            }
        }
    }

    /// <summary>The next piece of data, holes passed over; null when there is none.</summary>
    private Piece? Next()
    {
        lock (gate)
        {
            while (!isOver)
            {
                ct.ThrowIfCancellationRequested();
                if (!pieces.MoveNext()) break;
                var piece = new Piece(pieces.Current.Extent);
                if (options.Digest is not null) taken.Enqueue(piece);
                if (pieces.Current.HasData) return piece;
                Done(piece);
            }

            isOver = true;
            return null;
        }
    }

    private void Copy(Piece piece, Span<byte> data)
    {
        var extent = piece.Extent;
        source.Read(extent.Offset, data);
        if (options.Digest is not null) piece.Checksum = Crc32C.Compute(data);
        long written = 0;
        for (var at = 0; at < data.Length;)
        {
            var (length, isZero) = Run(data[at..]);
            if (!isZero)
            {
                target.Write(extent.Offset + at, data.Slice(at, length));
                written += length;
            }

            at += length;
        }

        bool isTimely;
        lock (gate)
        {
            bytesRead += extent.Length;
            isTimely = bytesWritten / WriteBackBytes != (bytesWritten + written) / WriteBackBytes;
            bytesWritten += written;
            Done(piece);
        }

        // A copy that ends with a flush waits for all of it to be on the disk: the disk works meanwhile, not only then.
        if (!options.Flush || !isTimely || target is not IDiskImage image) return;
        foreach (var file in image.Files) file.BeginWriteBack(0, file.Length);
    }

    /// <summary>The longest start of <paramref name="data"/> that is, by grains, all zeros or has no grain of zeros.</summary>
    private static (int Length, bool IsZero) Run(ReadOnlySpan<byte> data)
    {
        var first = Math.Min(ZeroGrainBytes, data.Length);
        var isZero = Sectors.IsZero(data[..first]);
        var length = first;
        while (length < data.Length)
        {
            var grain = Math.Min(ZeroGrainBytes, data.Length - length);
            if (Sectors.IsZero(data.Slice(length, grain)) != isZero) break;
            length += grain;
        }

        return (length, isZero);
    }

    private void Done(Piece piece)
    {
        piece.IsDone = true;
        bytesDone += piece.Extent.Length;
        options.Progress?.Report(bytesDone);
        while (taken.TryPeek(out var first) && first.IsDone)
        {
            taken.Dequeue();
            options.Digest!.Add(first.Extent, first.Checksum);
        }
    }

    /// <summary>A piece of the disk; its checksum where it has data.</summary>
    private sealed class Piece(Extent extent)
    {
        public Extent Extent => extent;

        public uint? Checksum { get; set; }

        public bool IsDone { get; set; }
    }
}
