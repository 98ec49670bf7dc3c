namespace VmRepl.Architecture.Tests;

[TestFixture]
public class BannedTests
{
    [TestCase("var now = DateTime.UtcNow;")]
    [TestCase("var now = DateTimeOffset.Now;")]
    [TestCase("var now = $\"{DateTime.Now}\";")]
    [TestCase("Stopwatch.StartNew()")]
    [TestCase("TimeProvider.System.GetUtcNow()")]
    [TestCase("await Task.Delay(100, token);")]
    [TestCase("new Thread(Run).Start()")]
    [TestCase("_ = Task.Run(() => 1);")]
    [TestCase("using var timer = new Timer(Tick);")]
    [TestCase("Random.Shared.Next()")]
    [TestCase("var random = new Random();")]
    [TestCase("Guid.NewGuid()")]
    [TestCase("File.ReadAllBytes(path)")]
    [TestCase("System.IO.File.Delete(path)")]
    [TestCase("HostFile.Open(path, HostFileAccess.Read)")]
    [TestCase("new Socket(a, b, c)")]
    [TestCase("var url = \"http://x\"; Thread.Sleep(1);")]
    [TestCase("var c = '\"'; Thread.Sleep(1);")]
    public void Find_BannedCall_IsFoundOnItsLine(string code) => Assert.That(Banned.Find($"// first\n/* second\n */ {code}\n").Single().Line, Is.EqualTo(3));

    [TestCase("// DateTime.UtcNow is not for here")]
    [TestCase("/* Task.Run\n Thread.Sleep */")]
    [TestCase("var now = clock.GetUtcNow();")]
    [TestCase("await Task.Delay(pause, timeProvider, token);")]
    [TestCase("await Task.Delay(pause, clock, token);")]
    [TestCase("var random = new Random(seed);")]
    [TestCase("directory.Open(name, HostFileAccess.Read)")]
    [TestCase("store.Directory.Open(name)")]
    [TestCase("identity.File.CompareTo(other)")]
    public void Find_OrdinaryCode_FindsNothing(string code) => Assert.That(Banned.Find(code), Is.Empty);
}
