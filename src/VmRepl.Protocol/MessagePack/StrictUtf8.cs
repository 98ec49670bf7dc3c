using System.Text;

namespace VmRepl.Protocol.MessagePack;

/// <summary>UTF-8 that refuses what is not UTF-8, both ways: a replaced character would make two different names one.</summary>
internal static class StrictUtf8
{
    public static readonly UTF8Encoding Encoding = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
}
