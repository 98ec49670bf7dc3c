using System.Text;

namespace VmRepl.Fuzz.Corpus;

/// <summary>A name in a file.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Offset">First byte.</param>
/// <param name="Room">Bytes that may be used.</param>
/// <param name="Encoding">How it is written.</param>
/// <param name="Length">The number that has its length in bytes, where there is one.</param>
public sealed record TextSite(string Name, long Offset, int Room, Encoding Encoding, Site? Length);
