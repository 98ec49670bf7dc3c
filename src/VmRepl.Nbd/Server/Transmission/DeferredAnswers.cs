using VmRepl.Blocks;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Server;

/// <summary>
/// The answers to writes that were carried out and wait for something else before they may be answered (<see cref="IDeferredWrite"/>). What ends together is sent in one call, by a thread that is made with the first of them. Any number may add and end.
/// </summary>
/// <param name="most">Writes that may wait at a time.</param>
/// <param name="failed">Told why answers could not be sent.</param>
internal sealed class DeferredAnswers(RequestAnswers answers, AnswerSender sender, int most, Action<string> failed)
{
    private const int StackBytes = 256 << 10;

    private readonly Lock gate = new();
    private readonly AutoResetEvent filled = new(false);
    private byte[] ended = new byte[4096];
    private byte[] sending = new byte[4096];
    private int length;
    private int count;
    private bool isCompleting;
    private Thread? thread;

    /// <summary>Whether no more may wait. Only by whoever has the turn.</summary>
    public bool IsFull => Volatile.Read(ref count) >= most;

    /// <summary>Takes a place for a write that is about to begin; <see cref="Leave"/> or <see cref="Add"/> is owed. Only by whoever has the turn.</summary>
    public void Enter() => Interlocked.Increment(ref count);

    /// <summary>The write has ended at once, or failed.</summary>
    public void Leave() => Interlocked.Decrement(ref count);

    /// <summary>Answers the request when the write has ended.</summary>
    public void Add(in NbdRequest request, ValueTask write)
    {
        lock (gate)
        {
            if (thread is null)
            {
                thread = new Thread(Send, StackBytes) { IsBackground = true, Name = "nbd answers" };
                thread.Start();
            }
        }

        _ = FinishAsync(request, write);
    }

    /// <summary>Waits until all are answered; none is added any more.</summary>
    public void Complete()
    {
        lock (gate)
        {
            isCompleting = true;
            if (thread is null) return;
        }

        filled.Set();
        thread.Join();
    }

    private async Task FinishAsync(NbdRequest request, ValueTask write)
    {
        Exception? failure = null;
        try
        {
            await write.ConfigureAwait(false);
        }
        catch (Exception e)
        {
            failure = e;
        }

        bool isFirst;
        lock (gate)
        {
            isFirst = length == 0;
            if (ended.Length - length < ReplyWriter.ErrorSizeMax) Array.Resize(ref ended, ended.Length * 2);
            // What is no failure of the device's is one of the server's: the client is told that it failed, whatever it was.
            length += answers.FinishParts(ended.AsSpan(length), request, failure);
            Interlocked.Decrement(ref count);
        }

        if (isFirst) filled.Set();
    }

    private void Send()
    {
        while (true)
        {
            filled.WaitOne();
            int bytes;
            bool isLast;
            lock (gate)
            {
                (ended, sending) = (sending, ended);
                (bytes, length) = (length, 0);
                isLast = isCompleting && Volatile.Read(ref count) == 0;
            }

            try
            {
                if (bytes > 0) sender.Send(sending.AsSpan(0, bytes));
            }
            catch (IOException e)
            {
                failed(e.Message);
            }

            if (isLast) return;
        }
    }
}
