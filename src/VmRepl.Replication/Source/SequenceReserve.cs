using VmRepl.Blocks.Files;

namespace VmRepl.Replication.Source;

/// <summary>
/// Gives out sequence numbers, none twice: a block of them is reserved durably before the first of it is used, so after a crash the numbering goes on behind
/// everything that may have been used. Not safe for concurrent use; the sender's order is the sequence's.
/// </summary>
internal sealed class SequenceReserve
{
    private const string FileName = "sequence.json";
    private const ulong BlockNumbers = 1 << 20;

    private readonly IHostDirectory directory;
    private ulong reservedTo;

    /// <exception cref="IOException">The reservation cannot be read.</exception>
    public SequenceReserve(IHostDirectory directory)
    {
        this.directory = directory;
        reservedTo = SourceJson.TryRead<Reservation>(directory, FileName)?.ReservedTo ?? 0;
        Last = reservedTo;
    }

    /// <summary>The newest number given out, or reserved by an earlier life of this source.</summary>
    public ulong Last { get; private set; }

    public ulong Next()
    {
        if (Last == reservedTo)
        {
            reservedTo += BlockNumbers;
            SourceJson.Write(directory, FileName, new Reservation(reservedTo));
        }

        return ++Last;
    }

    /// <summary>Goes on behind <paramref name="sequence"/>, which somebody else has seen used.</summary>
    public void AdvanceTo(ulong sequence)
    {
        if (sequence <= Last) return;
        Last = sequence;
        if (reservedTo >= Last) return;
        reservedTo = Last;
        SourceJson.Write(directory, FileName, new Reservation(reservedTo));
    }

    private sealed record Reservation(ulong ReservedTo);
}
