using VmRepl.Blocks;

namespace VmRepl.Replication.Tests.Following;

/// <summary>A guest that writes, zeros and punches at random until it is told to stop, several requests at a time.</summary>
internal sealed class Guest : IAsyncDisposable
{
    private readonly CancellationTokenSource ending = new();
    private readonly Task[] writers;
    private long writes;

    public Guest(IReadOnlyList<IBlockDevice> disks, int seed, int depth = 4, int bytesMax = 64 << 10, bool isAligned = false, TimeSpan pause = default)
    {
        writers = [.. Enumerable.Range(0, depth).Select(i => Task.Run(async () =>
        {
            var random = new Random((seed * 1000) + i);
            while (!ending.IsCancellationRequested)
            {
                var disk = disks[random.Next(disks.Count)];
                var length = random.Next(1, (int)Math.Min(bytesMax, disk.Length));
                var offset = random.NextInt64(0, disk.Length - length + 1);
                if (isAligned) (offset, length) = (offset / 4096 * 4096, Math.Max(4096, length / 4096 * 4096));
                if (offset + length > disk.Length) continue;
                switch (random.Next(10))
                {
                    case 0:
                        disk.Zero(offset, length);
                        break;
                    case 1:
                        disk.Punch(offset, length);
                        break;
                    default:
                        var data = new byte[length];
                        random.NextBytes(data);
                        disk.Write(offset, data);
                        break;
                }

                Interlocked.Increment(ref writes);
                if (random.Next(50) == 0) disk.Flush();
                if (pause > TimeSpan.Zero) await Task.Delay(pause);
            }
        }))];
    }

    public long Writes => Interlocked.Read(ref writes);

    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync();
        await Task.WhenAll(writers);
        ending.Dispose();
    }
}
