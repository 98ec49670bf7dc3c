using System.Globalization;
using System.Xml;
using System.Xml.Linq;

namespace VmRepl.Hypervisors.Definitions;

/// <summary>
/// Reads the part of libvirt's domain XML that decides whether a guest boots (libvirt.org, "Domain XML format"). No document type, so no entities; the size is bounded by the caller.
/// Elements that are not named here are passed over.
/// </summary>
internal sealed class LibvirtDefinition(DefinitionDraft draft)
{
    public VmDefinition Read(byte[] bytes)
    {
        var domain = Load(bytes);
        if (domain.Name.LocalName != "domain") throw new DefinitionException("domain", $"the root element is '{DefinitionDraft.Shown(domain.Name.LocalName)}'");
        var os = domain.Element("os");
        var type = os?.Element("type");
        var devices = domain.Element("devices");
        var disks = Devices(devices, "disk");
        var (cpuMode, cpuModel) = Cpu(domain.Element("cpu"));
        var indexes = BootIndexes(disks);
        return new VmDefinition
        {
            Name = DefinitionDraft.Name(Value(domain.Element("name"))),
            Uuid = DefinitionDraft.Uuid(Value(domain.Element("uuid"))),
            Architecture = DefinitionDraft.Architecture((string?)type?.Attribute("arch")),
            Machine = DefinitionDraft.Word("machine", (string?)type?.Attribute("machine")),
            MemoryBytes = draft.Memory(Memory(domain.Element("memory"))),
            Vcpus = draft.Vcpus(Count("vcpu", Value(domain.Element("vcpu")) ?? "1")),
            CpuMode = cpuMode,
            CpuModel = cpuModel,
            Firmware = Firmware(os),
            DirectBoot = Kernel(os),
            BootOrder = BootOrder(os),
            Disks = [.. disks.Select(disk => Disk(disk, indexes))],
            Cdroms = [.. Cdroms(devices)],
            Interfaces = [.. Interfaces(devices)],
            Video = DefinitionDraft.Word("video", (string?)devices?.Element("video")?.Element("model")?.Attribute("type")),
            HasAcpi = domain.Element("features") is not { } features || features.Element("acpi") is not null,
            IsClockLocal = (string?)domain.Element("clock")?.Attribute("offset") == "localtime",
            Notes = draft.Notes,
        };
    }

    private static XElement Load(byte[] bytes)
    {
        var settings = new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null, MaxCharactersInDocument = VmDefinitions.BytesMax, MaxCharactersFromEntities = 1, IgnoreComments = true, IgnoreProcessingInstructions = true };
        try
        {
            using var reader = XmlReader.Create(new MemoryStream(bytes), settings);
            return XDocument.Load(reader).Root!;
        }
        // Decoders of declared encodings throw their own kinds.
        catch (Exception e) when (e is XmlException or ArgumentException or IOException or NotSupportedException or InvalidOperationException)
        {
            throw new DefinitionException("XML", e.Message, e);
        }
    }

    private static long Memory(XElement? memory)
    {
        if (Value(memory) is not { } text) throw new DefinitionException("memory", "it is missing");
        var unit = ((string?)memory!.Attribute("unit") ?? "KiB").Trim();
        decimal factor = unit switch
        {
            "b" or "bytes" => 1,
            "KB" => 1000,
            "k" or "KiB" => 1 << 10,
            "MB" => 1_000_000,
            "M" or "MiB" => 1 << 20,
            "GB" => 1_000_000_000,
            "G" or "GiB" => 1 << 30,
            "TB" => 1_000_000_000_000,
            "T" or "TiB" => 1L << 40,
            _ => throw new DefinitionException("memory", $"'{DefinitionDraft.Shown(unit)}' is no unit"),
        };
        return (long)Math.Min(Count("memory", text) * factor, long.MaxValue);
    }

    private static long Count(string field, string text) =>
        text.Length <= 18 && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count : throw new DefinitionException(field, $"'{DefinitionDraft.Shown(text)}' is no number in bounds");

    private static (CpuMode Mode, string? Model) Cpu(XElement? cpu)
    {
        var model = Value(cpu?.Element("model"));
        var isNamed = (string?)cpu?.Attribute("mode") is null or "custom" && !string.IsNullOrEmpty(model);
        return isNamed ? (CpuMode.Named, DefinitionDraft.Word("cpu model", model)) : (CpuMode.Maximum, null);
    }

    private static VmFirmware Firmware(XElement? os)
    {
        var loader = os?.Element("loader");
        var nvram = os?.Element("nvram");
        var isEfi = (string?)os?.Attribute("firmware") == "efi" || (string?)loader?.Attribute("type") == "pflash";
        var isSecure = (string?)loader?.Attribute("secure") == "yes";
        return new VmFirmware(
            isEfi,
            isSecure,
            DefinitionDraft.Path("loader", Value(loader)),
            DefinitionDraft.Path("nvram template", (string?)nvram?.Attribute("template")),
            DefinitionDraft.Path("nvram", Value(nvram) is { Length: > 0 } text ? text : (string?)nvram?.Element("source")?.Attribute("file")));
    }

    private static DirectBoot? Kernel(XElement? os) => DefinitionDraft.Path("kernel", Value(os?.Element("kernel"))) is not { } kernel
        ? null
        : new DirectBoot(kernel, DefinitionDraft.Path("initrd", Value(os?.Element("initrd"))), DefinitionDraft.CommandLine(Value(os?.Element("cmdline"))));

    private static IReadOnlyList<BootDevice> BootOrder(XElement? os)
    {
        var order = new List<BootDevice>();
        foreach (var boot in os?.Elements("boot") ?? [])
        {
            BootDevice? device = (string?)boot.Attribute("dev") switch { "hd" => BootDevice.Disk, "cdrom" => BootDevice.Cdrom, "network" => BootDevice.Network, _ => null };
            if (device is { } known && !order.Contains(known)) order.Add(known);
        }

        return order;
    }

    private List<XElement> Devices(XElement? devices, string kind)
    {
        var disks = new List<XElement>();
        foreach (var disk in devices?.Elements(kind) ?? [])
        {
            switch ((string?)disk.Attribute("device"))
            {
                case null or "disk" or "lun": disks.Add(disk); break;
                case "cdrom": break;
                case { } other: draft.Note($"A device of kind '{DefinitionDraft.Shown(other)}' is left out."); break;
            }

            DefinitionDraft.Bound("disk", disks.Count, DefinitionDraft.DisksMax);
        }

        return disks;
    }

    // libvirt's orders may have gaps and count network cards too; here only the disks' order among each other matters.
    private static Dictionary<XElement, int> BootIndexes(List<XElement> disks) => disks
        .Select(disk => (Disk: disk, Text: (string?)disk.Element("boot")?.Attribute("order")))
        .Where(entry => entry.Text is not null)
        .Select(entry => (entry.Disk, Order: Count("boot order", entry.Text!)))
        .OrderBy(entry => entry.Order)
        .Select((entry, index) => (entry.Disk, Index: index + 1))
        .ToDictionary(entry => entry.Disk, entry => entry.Index);

    private VmDisk Disk(XElement disk, Dictionary<XElement, int> indexes)
    {
        var target = DefinitionDraft.Word("disk target", (string?)disk.Element("target")?.Attribute("dev")) ?? throw new DefinitionException("disk target", "it is missing");
        var source = disk.Element("source");
        return new VmDisk(
            target,
            draft.Bus((string?)disk.Element("target")?.Attribute("bus"), target),
            DefinitionDraft.Source((string?)source?.Attribute("file") ?? (string?)source?.Attribute("dev") ?? (string?)source?.Attribute("name") ?? (string?)source?.Attribute("volume")),
            DefinitionDraft.Serial(Value(disk.Element("serial"))),
            indexes.TryGetValue(disk, out var index) ? index : null);
    }

    private IEnumerable<DiskBus> Cdroms(XElement? devices)
    {
        var drives = devices?.Elements("disk").Where(disk => (string?)disk.Attribute("device") == "cdrom").Take(DefinitionDraft.CdromsMax + 1).ToList() ?? [];
        DefinitionDraft.Bound("cdrom", drives.Count, DefinitionDraft.CdromsMax);
        foreach (var drive in drives)
        {
            if (drive.Element("source") is { HasAttributes: true }) draft.Note("A CD-ROM drive is started without its medium.");
            var target = (string?)drive.Element("target")?.Attribute("dev") ?? "sda";
            yield return draft.Bus((string?)drive.Element("target")?.Attribute("bus"), DefinitionDraft.Word("disk target", target)!);
        }
    }

    private static List<VmInterface> Interfaces(XElement? devices)
    {
        var cards = devices?.Elements("interface").Take(DefinitionDraft.InterfacesMax + 1).ToList() ?? [];
        DefinitionDraft.Bound("interface", cards.Count, DefinitionDraft.InterfacesMax);
        return [.. cards.Select(card => new VmInterface(
            DefinitionDraft.Word("interface model", (string?)card.Element("model")?.Attribute("type")) ?? "virtio",
            DefinitionDraft.Mac((string?)card.Element("mac")?.Attribute("address"))))];
    }

    private static string? Value(XElement? element) => element?.Value.Trim();
}
