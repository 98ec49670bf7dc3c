using System.Globalization;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Points;

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
#if SIMULATION_PLANTS
        if (Simulation.Plant.Is(Simulation.Plant.ReuseSequences)) Last = Math.Max(BlockNumbers, reservedTo) - BlockNumbers;
#endif
    }

    /// <summary>The newest number given out, or reserved by an earlier life of this source.</summary>
    public ulong Last { get; private set; }

    /// <summary>Reserves so many numbers, up to a block of them: giving them out cannot fail.</summary>
    /// <exception cref="IOException">The reservation cannot be written.</exception>
    public void Ensure(int count)
    {
        if (reservedTo - Last < (ulong)count) Reserve(checked(reservedTo + BlockNumbers));
    }

    /// <exception cref="IOException">The reservation cannot be written; no number was given out.</exception>
    public ulong Next()
    {
        Ensure(1);
#if SIMULATION_PLANTS
        Simulation.Plant.SequenceGiven?.Invoke(Last + 1);
#endif
        return ++Last;
    }

    /// <summary>Goes on behind <paramref name="sequence"/>, which somebody else has seen used.</summary>
    /// <exception cref="IOException">The reservation cannot be written.</exception>
    public void AdvanceTo(ulong sequence)
    {
        if (sequence <= Last) return;
        if (sequence > reservedTo) Reserve(sequence);
        Last = sequence;
    }

    /// <summary>The record attributes that name the numbers given up since <paramref name="durable"/> (by a crash of this side, by a round that failed), so that a hole is never taken for a loss; null where there are none.</summary>
    public Dictionary<string, string>? GapAfter(ulong durable) => Last <= durable ? null : new()
    {
        [RecordAttribute.GapFrom] = (durable + 1).ToString(CultureInfo.InvariantCulture),
        [RecordAttribute.GapTo] = Last.ToString(CultureInfo.InvariantCulture),
    };

    // What is not durable is not reserved: a number from a reservation that failed to be written could be given out again after a crash.
    private void Reserve(ulong to)
    {
        SourceJson.Write(directory, FileName, new Reservation(to));
        reservedTo = to;
    }

    private sealed record Reservation(ulong ReservedTo);
}
