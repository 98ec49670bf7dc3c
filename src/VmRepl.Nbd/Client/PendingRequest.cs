using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>
/// One place for a request that is on the way. The caller's thread fills it in, sends and waits; from its registration until <see cref="Complete"/> all else belongs to the receiving thread,
/// which writes contents straight to the caller's memory. So a caller never leaves before it is completed, even when its time is over: it ends the connection, which completes it.
/// </summary>
internal sealed unsafe class PendingRequest(int place)
{
    private bool isComplete;
    private uint generation;

    /// <summary>The place in the low half, how often it was used in the high one: an answer that comes twice finds no request.</summary>
    public ulong Cookie => ((ulong)generation << 32) | (uint)place;

    public int Place => place;

    public NbdCommand Command { get; private set; }

    public long Offset { get; private set; }

    public long Length { get; private set; }

    public long End => Offset + Length;

    /// <summary>Memory of <see cref="Length"/> bytes for a read; null otherwise.</summary>
    public byte* Target { get; private set; }

    /// <summary>Of a block status: the server's number of the context whose extents are kept.</summary>
    public uint Context { get; private set; }

    public CoveredRanges Covered { get; } = new();

    /// <summary>Numbers of the contexts that have answered.</summary>
    public HashSet<uint> ContextsSeen { get; } = [];

    /// <summary>Those of <see cref="Context"/>; null until they have come.</summary>
    public List<NbdExtent>? Extents { get; set; }

    /// <summary>The first that was told.</summary>
    public NbdError Error { get; private set; }

    public string Sentence { get; private set; } = "";

    /// <summary>Whether the connection ended before an answer.</summary>
    public bool IsLost { get; private set; }

    public void Begin(NbdCommand command, long offset, long length, byte* target, uint context)
    {
        (Command, Offset, Length, Context) = (command, offset, length, context);
        Target = target;
        (Extents, Error, Sentence, IsLost, isComplete) = (null, NbdError.None, "", false, false);
        generation++;
        Covered.Clear();
        ContextsSeen.Clear();
    }

    public void Fail(NbdError error, string sentence)
    {
        if (Error == NbdError.None) (Error, Sentence) = (error, sentence);
    }

    /// <summary>By the receiving thread, as the last thing it does with it.</summary>
    public void Complete(bool isLost)
    {
        lock (this)
        {
            (IsLost, isComplete) = (isLost, true);
            Monitor.Pulse(this);
        }
    }

    /// <returns>False where the time is over.</returns>
    public bool Wait(Deadline deadline)
    {
        lock (this)
        {
            while (!isComplete)
            {
                var leftMs = deadline.LeftMs;
                if (leftMs == 0) return false;
                Monitor.Wait(this, leftMs);
            }

            return true;
        }
    }

    /// <summary>After the connection was ended.</summary>
    public void WaitForEnd()
    {
        lock (this)
        {
            while (!isComplete) Monitor.Wait(this);
        }
    }
}
