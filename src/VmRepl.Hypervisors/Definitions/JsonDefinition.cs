using System.Text.Json;

namespace VmRepl.Hypervisors.Definitions;

/// <summary>Reads our own small form, for VMs without libvirt (docs/test-failover.md). A property that is not known is an error: it may be the one that the boot depends on.</summary>
internal sealed class JsonDefinition(DefinitionDraft draft)
{
    private const string Kind = "vmrepl-vm";

    private static readonly string[] Known = ["kind", "name", "uuid", "arch", "machine", "memoryMiB", "vcpus", "cpu", "firmware", "loader", "nvram", "nvramTemplate", "secureBoot", "kernel", "initrd", "cmdline", "disks", "interfaces", "video", "localTime"];

    public VmDefinition Read(byte[] bytes)
    {
        try
        {
            using var document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 8 });
            return Read(document.RootElement);
        }
        // GetString throws the second on a lone surrogate.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new DefinitionException("JSON", e.Message, e);
        }
    }

    private VmDefinition Read(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object || Text(root, "kind") != Kind) throw new DefinitionException("kind", $"it is not \"{Kind}\"");
        RequireKnown(root, Known);
        var cpu = DefinitionDraft.Word("cpu", Text(root, "cpu"));
        var (initrd, commandLine) = (DefinitionDraft.Path("initrd", Text(root, "initrd")), DefinitionDraft.CommandLine(Text(root, "cmdline")));
        var kernel = DefinitionDraft.Path("kernel", Text(root, "kernel"));
        return new VmDefinition
        {
            Name = DefinitionDraft.Name(Text(root, "name")),
            Uuid = DefinitionDraft.Uuid(Text(root, "uuid")),
            Architecture = DefinitionDraft.Architecture(Text(root, "arch")),
            Machine = DefinitionDraft.Word("machine", Text(root, "machine")),
            MemoryBytes = draft.Memory((long)Math.Clamp(Number(root, "memoryMiB", 1024) * (decimal)(1 << 20), long.MinValue, long.MaxValue)),
            Vcpus = draft.Vcpus(Number(root, "vcpus", 1)),
            CpuMode = cpu is null or "max" ? CpuMode.Maximum : CpuMode.Named,
            CpuModel = cpu is null or "max" ? null : cpu,
            Firmware = new VmFirmware(IsEfi(root), Flag(root, "secureBoot"), DefinitionDraft.Path("loader", Text(root, "loader")), DefinitionDraft.Path("nvramTemplate", Text(root, "nvramTemplate")), DefinitionDraft.Path("nvram", Text(root, "nvram"))),
            DirectBoot = kernel is null ? null : new DirectBoot(kernel, initrd, commandLine),
            Disks = [.. List(root, "disks", DefinitionDraft.DisksMax).Select(Disk)],
            Interfaces = [.. List(root, "interfaces", DefinitionDraft.InterfacesMax).Select(Interface)],
            Video = DefinitionDraft.Word("video", Text(root, "video")),
            IsClockLocal = Flag(root, "localTime"),
            Notes = draft.Notes,
        };
    }

    private static bool IsEfi(JsonElement root) => Text(root, "firmware") switch
    {
        null or "bios" => false,
        "efi" => true,
        var other => throw new DefinitionException("firmware", $"'{DefinitionDraft.Shown(other)}' is neither bios nor efi"),
    };

    private VmDisk Disk(JsonElement disk)
    {
        RequireKnown(disk, ["disk", "bus", "serial"]);
        var name = DefinitionDraft.Word("disk", Text(disk, "disk")) ?? throw new DefinitionException("disk", "it is missing");
        return new VmDisk(name, draft.Bus(Text(disk, "bus") ?? "virtio", name), null, DefinitionDraft.Serial(Text(disk, "serial")));
    }

    private static VmInterface Interface(JsonElement card)
    {
        RequireKnown(card, ["model", "mac"]);
        return new VmInterface(DefinitionDraft.Word("model", Text(card, "model")) ?? "virtio", DefinitionDraft.Mac(Text(card, "mac")));
    }

    private static List<JsonElement> List(JsonElement root, string name, int most)
    {
        if (!root.TryGetProperty(name, out var list)) return [];
        if (list.ValueKind != JsonValueKind.Array) throw new DefinitionException(name, "it is no list");
        DefinitionDraft.Bound(name, list.GetArrayLength(), most);
        return [.. list.EnumerateArray()];
    }

    private static void RequireKnown(JsonElement element, string[] known)
    {
        if (element.ValueKind != JsonValueKind.Object) throw new DefinitionException("JSON", "an object was expected");
        foreach (var property in element.EnumerateObject())
            if (!known.Contains(property.Name)) throw new DefinitionException(DefinitionDraft.Shown(property.Name), "it is not known");
    }

    private static string? Text(JsonElement root, string name) => !root.TryGetProperty(name, out var value)
        ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString() : throw new DefinitionException(name, "it is no text");

    private static long Number(JsonElement root, string name, long otherwise) => !root.TryGetProperty(name, out var value)
        ? otherwise
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) ? number : throw new DefinitionException(name, "it is no whole number in bounds");

    private static bool Flag(JsonElement root, string name) => root.TryGetProperty(name, out var value) && value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw new DefinitionException(name, "it is neither true nor false"),
    };
}
