using System.Globalization;
using System.Text.RegularExpressions;

namespace VmRepl.Hypervisors.Definitions;

/// <summary>What both forms of a definition have in common: the bounds of each value, and the notes. Everything from outside passes through here.</summary>
internal sealed partial class DefinitionDraft(HostCapacity capacity)
{
    public const int DisksMax = 24, CdromsMax = 4, InterfacesMax = 8;
    private const int NameLengthMax = 128, PathLengthMax = 4096, CommandLineLengthMax = 2047, SerialLengthMax = 36, NotesMax = 100;

    private readonly List<string> notes = [];

    public IReadOnlyList<string> Notes => notes;

    public void Note(string note)
    {
        if (notes.Count < NotesMax) notes.Add(note);
    }

    public static string Name(string? text) => Text("name", text ?? "vm", NameLengthMax);

    /// <param name="bytes">As asked for; may be more than a number can hold, then <see cref="long.MaxValue"/>.</param>
    public long Memory(long bytes)
    {
        if (bytes <= 0) throw new DefinitionException("memory", "it is not above zero");
        var given = Math.Clamp(bytes, HostCapacity.MemoryBytesMin, Math.Max(HostCapacity.MemoryBytesMin, capacity.MemoryBytes)) & ~((1L << 20) - 1);
        if (given != bytes) Note($"The definition asks for {Mebibytes(bytes)} MiB of memory; the VM gets {Mebibytes(given)} MiB.");
        return given;
    }

    public int Vcpus(long count)
    {
        if (count <= 0) throw new DefinitionException("vcpu", "it is not above zero");
        var given = (int)Math.Clamp(count, 1, Math.Max(1, capacity.Vcpus));
        if (given != count) Note($"The definition asks for {count.ToString(CultureInfo.InvariantCulture)} virtual processors; the VM gets {given.ToString(CultureInfo.InvariantCulture)}.");
        return given;
    }

    public static string Architecture(string? text) => text switch
    {
        null or "x86_64" => "x86_64",
        "i686" or "i386" => "i386",
        "aarch64" => "aarch64",
        _ => throw new DefinitionException("arch", $"'{Shown(text)}' is none of x86_64, i686, aarch64"),
    };

    /// <summary>A word that ends on QEMU's command line: a machine, a processor, a model.</summary>
    public static string? Word(string field, string? text) =>
        text is null || Words().IsMatch(text) ? text : throw new DefinitionException(field, $"'{Shown(text)}' is no name");

    public static string? Path(string field, string? text)
    {
        if (string.IsNullOrEmpty(text)) return null;
        return text[0] == '/' ? Text(field, text, PathLengthMax) : throw new DefinitionException(field, $"'{Shown(text)}' is no full path");
    }

    public static string CommandLine(string? text) => Text("cmdline", text ?? "", CommandLineLengthMax);

    /// <summary>A name that only serves to find a disk, and is shown.</summary>
    public static string? Source(string? text) => string.IsNullOrEmpty(text) ? null : Text("disk source", text, PathLengthMax);

    public static string? Serial(string? text) => string.IsNullOrEmpty(text) ? null : Text("disk serial", text, SerialLengthMax);

    public static string? Mac(string? text) => text switch
    {
        null or "" => null,
        _ when Macs().IsMatch(text) => text.ToLowerInvariant(),
        _ => throw new DefinitionException("mac", $"'{Shown(text)}' is no address of six octets"),
    };

    public static Guid? Uuid(string? text) => string.IsNullOrEmpty(text) ? null : Guid.TryParse(text, out var uuid) ? uuid : throw new DefinitionException("uuid", $"'{Shown(text)}' is none");

    public DiskBus Bus(string? text, string target)
    {
        switch (text)
        {
            case "virtio": return DiskBus.Virtio;
            case "scsi": return DiskBus.Scsi;
            case "sata": return DiskBus.Sata;
            case "ide": return DiskBus.Ide;
            case "nvme": return DiskBus.Nvme;
            case "usb": return DiskBus.Usb;
            case null:
                // As libvirt does it: by the target's first letters.
                return target.StartsWith("hd", StringComparison.Ordinal) ? DiskBus.Ide : target.StartsWith("sd", StringComparison.Ordinal) ? DiskBus.Scsi : target.StartsWith("nvme", StringComparison.Ordinal) ? DiskBus.Nvme : DiskBus.Virtio;
            default:
                Note($"Disk {target}: bus '{Shown(text)}' is not known here; it is attached by virtio.");
                return DiskBus.Virtio;
        }
    }

    public static void Bound(string field, int count, int most)
    {
        if (count > most) throw new DefinitionException(field, $"there are more than {most.ToString(CultureInfo.InvariantCulture)}");
    }

    /// <summary>Text of an attacker's choosing as a message can hold it.</summary>
    public static string Shown(string text) => new([.. text.Take(60).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c)]);

    private static string Text(string field, string text, int most)
    {
        if (text.Length > most) throw new DefinitionException(field, $"it is longer than {most.ToString(CultureInfo.InvariantCulture)} characters");
        if (text.Any(char.IsControl)) throw new DefinitionException(field, "it holds a control character");
        return text;
    }

    private static string Mebibytes(long bytes) => (bytes >> 20).ToString(CultureInfo.InvariantCulture);

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._+-]{0,63}\z")]
    private static partial Regex Words();

    [GeneratedRegex(@"\A[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}\z")]
    private static partial Regex Macs();
}
