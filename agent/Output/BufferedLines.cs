using System.Text;

namespace VmRepl.Agent.Output;

/// <summary>A writer in front of another that passes text on in large pieces, and the rest when disposed. The other stays open.</summary>
internal sealed class BufferedLines(TextWriter behind) : TextWriter
{
    private const int Capacity = 1 << 16;

    private readonly StringBuilder held = new(Capacity);

    public override Encoding Encoding => behind.Encoding;

    public override void Write(char value)
    {
        held.Append(value);
        if (held.Length >= Capacity) Flush();
    }

    public override void Write(string? value)
    {
        held.Append(value);
        if (held.Length >= Capacity) Flush();
    }

    public override void Flush()
    {
        behind.Write(held);
        held.Clear();
        behind.Flush();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) Flush();
        base.Dispose(disposing);
    }
}
