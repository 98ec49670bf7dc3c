namespace VmRepl.Images.Tests.Variants;

/// <summary>
/// Says which variant of a format a test tries, and who judges it without sharing code with us. <see cref="VariantTable"/> makes docs/image-formats.md of them all.
/// A referee is a program, or "generator" where the test suite writes the file by code of its own and so knows what is in it.
/// </summary>
/// <param name="format">RAW, QCOW2, VHDX, VMDK or VHD.</param>
/// <param name="name">The variant, in the words of its specification.</param>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
internal sealed class VariantAttribute(string format, string name) : Attribute
{
    public string Format => format;

    public string Name => name;

    /// <summary>Who judges the contents, one or more, with commas.</summary>
    public required string Referee { get; init; }

    /// <summary>Who judges the allocation map; null where contents alone are compared.</summary>
    public string? Map { get; init; }

    /// <summary>True: we write the file and others read it. False: others write it and we read it.</summary>
    public bool IsWritten { get; init; }
}
