using VmRepl.Blocks;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>
/// A message whose payloads lie in the memory of the frame that it came in. Disposing it, once nothing of it is used any more, gives that memory
/// to the next frame; one that is not disposed is the garbage collector's. A message that was made here has no such memory and nothing to dispose.
/// </summary>
public abstract record PayloadMessage : IMessage, IDisposable
{
    private PooledBuffer? frame;

    public abstract MessageType Type { get; }

    public abstract void WriteTo(MessagePackWriter writer);

    /// <summary>After this no payload of the message may be touched: it may be another's already.</summary>
    public void Dispose()
    {
        Interlocked.Exchange(ref frame, null)?.Dispose();
        GC.SuppressFinalize(this);
    }

    internal void Own(PooledBuffer received) => frame = received;
}
