namespace VmRepl.Images.Operations;

/// <summary>Whether two disks hold the same.</summary>
/// <param name="Equal">Whether every byte is the same; what one disk has more must be zeros.</param>
/// <param name="FirstDifference">Offset in bytes of the first byte that differs, or -1.</param>
/// <param name="Reason">What differs, as a sentence, or null.</param>
public readonly record struct ComparisonResult(bool Equal, long FirstDifference, string? Reason);
