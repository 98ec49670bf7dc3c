extern alias simulation;
using simulation::VmRepl.Simulation.Storage;
using VmRepl.Blocks;

namespace VmRepl.Journal.Tests.Space;

/// <summary>Where writes go. Offsets are multiples of 512, lengths from <paramref name="bytesMin"/> to <paramref name="bytesMax"/>.</summary>
internal sealed class WritePattern(string name, long diskBytes, int bytesMin, int bytesMax)
{
    private readonly SeededRandom random = new(1);
    private long next;

    public Extent Next()
    {
        var length = random.Between(bytesMin / Sectors.Size, bytesMax / Sectors.Size) * Sectors.Size;
        var room = diskBytes - length;
        var offset = name switch
        {
            "sequential" => next,
            "uniform" => Within(room),
            // Four of five go to a twentieth of the disk.
            "80/5" => Within(random.Chance(0.8) ? Math.Min(room, diskBytes / 20) : room),
            // The same in itself again and again: of the writes that go to a fifth, four of five go to a fifth of that.
            "Pareto" => Within((long)(room * Math.Pow((random.Next64() >> 11) * (1.0 / (1UL << 53)), 7.2))),
            _ => throw new ArgumentException(name),
        };
        if (bytesMin == bytesMax) offset -= offset % length;
        next = offset + length + bytesMax <= diskBytes ? offset + length : 0;
        return new Extent(offset, length);
    }

    private long Within(long room) => random.Between(0, room / Sectors.Size) * Sectors.Size;
}
