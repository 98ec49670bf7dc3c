namespace VmRepl.Images.Tests.Samples;

/// <summary>One small image of <c>images/formats/</c>.</summary>
internal sealed record SampleFormat(string File, string Format, long Size, string Sha256)
{
    public override string ToString() => File;
}
