namespace VmRepl.Hypervisors.Definitions;

/// <summary>A VM as its definition describes it, in bounds and ready to be started. Nothing in it was looked up on the host yet.</summary>
public sealed record VmDefinition
{
    public required string Name { get; init; }

    public Guid? Uuid { get; init; }

    /// <summary>As QEMU names it: x86_64, i386 or aarch64.</summary>
    public string Architecture { get; init; } = "x86_64";

    /// <summary>Machine type, such as q35 or pc-i440fx-7.2; null for the architecture's usual one.</summary>
    public string? Machine { get; init; }

    public long MemoryBytes { get; init; } = 1L << 30;

    public int Vcpus { get; init; } = 1;

    public CpuMode CpuMode { get; init; } = CpuMode.Maximum;

    /// <summary>With <see cref="Definitions.CpuMode.Named"/>: the model.</summary>
    public string? CpuModel { get; init; }

    public VmFirmware Firmware { get; init; } = VmFirmware.Bios;

    public DirectBoot? DirectBoot { get; init; }

    /// <summary>What the firmware tries, first first; empty for the firmware's own order.</summary>
    public IReadOnlyList<BootDevice> BootOrder { get; init; } = [];

    public IReadOnlyList<VmDisk> Disks { get; init; } = [];

    /// <summary>Buses of the CD-ROM drives. They are started without a medium.</summary>
    public IReadOnlyList<DiskBus> Cdroms { get; init; } = [];

    public IReadOnlyList<VmInterface> Interfaces { get; init; } = [];

    /// <summary>Video model as libvirt names it, "none", or null for the usual one.</summary>
    public string? Video { get; init; }

    public bool HasAcpi { get; init; } = true;

    /// <summary>The clock shows local time, as Windows guests expect.</summary>
    public bool IsClockLocal { get; init; }

    /// <summary>What was left out, clamped or decided while reading, in whole sentences for a person.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
}
