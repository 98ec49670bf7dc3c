namespace VmRepl.Nbd.Server;

/// <summary>Answers that wait to be sent in one call.</summary>
internal sealed class ReplyBatch
{
    /// <summary>Most bytes of one answer in a batch; larger ones are sent by themselves.</summary>
    public const int ReplyBytesMax = 64 << 10;

    // Sent when as full as this: more in one call brings nothing, and the client waits for its first answer.
    private const int FullBytes = 64 << 10;

    private readonly byte[] bytes = GC.AllocateUninitializedArray<byte>(FullBytes + ReplyBytesMax + ReplyWriter.ErrorSizeMax, pinned: true);

    /// <summary>Bytes of finished answers.</summary>
    public int Length { get; private set; }

    public bool IsFull => Length >= FullBytes;

    public ReadOnlySpan<byte> Finished => bytes.AsSpan(0, Length);

    /// <summary>Where the next answer is laid out.</summary>
    public Span<byte> Next => bytes.AsSpan(Length);

    public void Add(int length) => Length += length;

    public void Clear() => Length = 0;
}
