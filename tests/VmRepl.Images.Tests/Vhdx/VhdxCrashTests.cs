namespace VmRepl.Images.Tests.Vhdx;

internal sealed class VhdxCrashTests
{
    [Test]
    public void Write_CutAtAnyChange_LeavesOldOrNewContents([Range(1, 6)] int seed) =>
        Assert.That(CrashTrial.Run(ImageFormat.Vhdx, seed, 6 << 20), Is.GreaterThan(10));
}
