using System.Diagnostics;
using VmRepl.Blocks.Files;
using VmRepl.Nbd.Transport;

namespace VmRepl.Nbd.Server;

/// <summary>
/// The right to receive, which one thread of a connection has at a time, with what goes along with it. While that thread carries out a request itself the turn can be taken from it, and then whoever takes it
/// goes on with buffers of its own: the old ones stay with the thread that works in them.
/// <para>
/// One word holds which turn it is, and whether it is being worked in; taking and coming back are one comparison and exchange of it, so exactly one of the two happens.
/// </para>
/// </summary>
internal sealed class Turn(ReceiveBuffer receive)
{
    private const long Working = 1;
    private const long Next = 2;

    // A thread that works so long, and does not wait, may be at something long.
    private static readonly long WorkTicksMax = Stopwatch.Frequency * 40 / 1000;

    private long word;
    private long workingSince;
    private int worker;

    public ReceiveBuffer Receive { get; private set; } = receive;

    public ReplyBatch Batch { get; private set; } = new();

    /// <summary>Answers that were finished before the turn was taken from their thread; whoever has it sends them first.</summary>
    public ReplyBatch? Left { get; set; }

    /// <param name="now">By <see cref="System.Diagnostics.Stopwatch"/>.</param>
    /// <returns>Which turn it is, for <see cref="EndWork"/>.</returns>
    public long BeginWork(long now)
    {
        var id = word;
        Volatile.Write(ref workingSince, now);
        Volatile.Write(ref worker, ThreadWaits.Current);
        // A full fence: whoever looks after the stalled ones may be going to sleep, and is looked at next.
        Interlocked.Exchange(ref word, id | Working);
        return id;
    }

    /// <returns>False where the turn was taken meanwhile: it is another's now.</returns>
    public bool EndWork(long id) => Interlocked.CompareExchange(ref word, id + Next, id | Working) == (id | Working);

    /// <summary>
    /// Takes the turn from a thread that has worked in it since before <paramref name="limit"/> and waits, or does so for very long. The buffers are others afterwards. From one that only lost its processor to somebody it is not taken:
    /// another thread would be one more that wants one.
    /// </summary>
    public bool TryTake(long limit)
    {
        var seen = Volatile.Read(ref word);
        var since = Volatile.Read(ref workingSince);
        if ((seen & Working) == 0 || since > limit) return false;
        if (since > limit - WorkTicksMax && ThreadWaits.IsAtWork(Volatile.Read(ref worker))) return false;
        if (Interlocked.CompareExchange(ref word, (seen & ~Working) + Next, seen) != seen) return false;
        Receive = Receive.Continue();
        if (Batch.Length > 0) Left = Batch;
        Batch = new ReplyBatch();
        return true;
    }
}
