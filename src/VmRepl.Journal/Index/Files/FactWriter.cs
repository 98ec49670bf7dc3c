using VmRepl.Blocks.Files;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Journal.Index.Files;

/// <summary>Writes facts as frames, one behind the other.</summary>
internal sealed class FactWriter(IHostFile file, long offset) : IDisposable
{
    private readonly MessagePackWriter facts = new(IndexLayout.FactsBodyBytes);
    private readonly MessagePackWriter frame = new(IndexLayout.FactsBodyBytes);
    private int waiting;

    public long Offset { get; } = offset;

    public long Bytes { get; private set; }

    public int Frames { get; private set; }

    public void Add(IndexFact fact)
    {
        fact.WriteTo(facts);
        waiting++;
        if (facts.Length >= IndexLayout.FactsBodyBytes) WriteFrame();
    }

    public void Finish()
    {
        if (waiting > 0) WriteFrame();
    }

    public void Dispose()
    {
        facts.Dispose();
        frame.Dispose();
    }

    private void WriteFrame()
    {
        Frame.Begin(frame, IndexLayout.FactsMagic);
        frame.WriteInt32(Frames);
        frame.WriteInt32(waiting);
        frame.WriteRaw(facts.WrittenSpan);
        Frame.End(frame);
        file.Write(Offset + Bytes, frame.WrittenSpan);
        Bytes += frame.Length;
        Frames++;
        facts.Reset();
        waiting = 0;
    }
}
