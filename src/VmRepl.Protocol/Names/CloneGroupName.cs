using System.Buffers;

namespace VmRepl.Protocol.Names;

/// <summary>The names of groups that are clones: <c>clone-</c> and 32 hexadecimal digits in lower case. What a clone is called by people is no part of it.</summary>
public static class CloneGroupName
{
    private const string Prefix = "clone-";

    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789abcdef");

    public static string Of(Guid id) => Prefix + id.ToString("n");

    public static bool IsValid(string name) =>
        name.Length == Prefix.Length + 32 && name.StartsWith(Prefix, StringComparison.Ordinal) && name.AsSpan(Prefix.Length).IndexOfAnyExcept(Digits) < 0;
}
