using System.Text;

namespace VmRepl.Nbd.Client;

/// <summary>What a server wrote for people, made fit to be shown to them.</summary>
internal static class ServerText
{
    private const int CharsMax = 500;

    /// <summary>Without control characters, and not without end. Bytes that are no UTF-8 become replacement characters.</summary>
    public static string Of(ReadOnlySpan<byte> utf8)
    {
        var text = Encoding.UTF8.GetString(utf8).TrimEnd('\0', '\n', ' ');
        return new string([.. text.Take(CharsMax).Select(c => char.IsControl(c) ? '?' : c)]) + (text.Length > CharsMax ? "..." : "");
    }
}
