namespace VmRepl.Images.Tests.Samples;

/// <summary>One disk of <c>images/</c> at its moments: <paramref name="Sha256"/> has one more entry than <paramref name="Changes"/>.</summary>
internal sealed record SampleDisk(string Name, string File, string Format, long Size, string[] Sha256, string[] Changes);
