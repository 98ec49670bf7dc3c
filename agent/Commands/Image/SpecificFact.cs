using System.Globalization;

namespace VmRepl.Agent.Commands.Image;

/// <summary>One fact that only a format has.</summary>
/// <param name="Name">Its key.</param>
/// <param name="Value">As text.</param>
/// <param name="IsLiteral">Whether <paramref name="Value"/> is a number or a truth value, to be written without quotes in JSON. Known by name: a file may well be called "true".</param>
internal sealed record SpecificFact(string Name, string Value, bool IsLiteral)
{
    /// <summary>The fact as it is shown, or null where it is shown elsewhere or says nothing.</summary>
    public static SpecificFact? Of(string name, string value) => name switch
    {
        // qemu-img says it at the top, as "dirty-flag".
        "dirty" => null,
        // qemu-img has lists under these names; we know how many.
        "snapshots" or "bitmaps" or "extents" => value == "0" ? null : new SpecificFact($"{name[..^1]}-count", value, IsNumber(value)),
        // Hexadecimal in the descriptor, a number in qemu-img's JSON.
        "cid" or "parent-cid" when uint.TryParse(value, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var cid) =>
            new SpecificFact(name, cid.ToString(CultureInfo.InvariantCulture), true),
        "refcount-bits" or "physical-sector-size" or "geometry-size" => new SpecificFact(name, value, IsNumber(value)),
        "lazy-refcounts" or "corrupt" or "extended-l2" or "data-file-raw" or "saved-state" => new SpecificFact(name, value, value is "true" or "false"),
        _ => new SpecificFact(name, value, false),
    };

    private static bool IsNumber(string value) => value.Length is > 0 and < 20 && value.All(char.IsAsciiDigit);
}
