namespace VmRepl.Hypervisors.Definitions;

/// <summary>Reads the definition that travels with a group: libvirt's domain XML, or our JSON. The bytes come from the source and are not trusted.</summary>
public static class VmDefinitions
{
    public const int BytesMax = 1 << 20;

    /// <param name="bytes">As <c>protect --definition</c> read them, or null for a group without one.</param>
    /// <param name="name">The group's name, for a VM without a definition.</param>
    /// <param name="capacity">What the VM may take of the host.</param>
    /// <exception cref="DefinitionException">The bytes are no definition, or a value is out of bounds.</exception>
    public static VmDefinition Read(ReadOnlyMemory<byte>? bytes, string name, HostCapacity capacity)
    {
        var draft = new DefinitionDraft(capacity);
        if (bytes is not { Length: > 0 } given)
        {
            var memory = draft.Memory(1L << 30);
            draft.Note("The group has no definition: the VM gets 1 virtual processor, 1 GiB of memory, BIOS, and its disks by virtio in the group's order.");
            return new VmDefinition { Name = DefinitionDraft.Name(name), MemoryBytes = memory, Notes = draft.Notes };
        }

        if (given.Length > BytesMax) throw new DefinitionException("size", $"it is larger than {BytesMax} bytes");
        var array = given.ToArray();
        return IsJson(array) ? new JsonDefinition(draft).Read(array) : new LibvirtDefinition(draft).Read(array);
    }

    private static bool IsJson(byte[] bytes)
    {
        foreach (var b in bytes)
        {
            if (b is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n') continue;
            return b == '{';
        }

        return false;
    }
}
