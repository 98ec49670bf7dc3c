using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.Versioning;
using VmRepl.Blocks.Files;

namespace VmRepl.Blocks.Tests.Files;

[TestFixture]
[SupportedOSPlatform("linux")]
[Platform("Linux")]
public class DirectQueueTests
{
    private const int LargePage = 2 << 20;

    [Test]
    public void Next_BufferOfAQueue_LiesWhereTheKernelWasAskedForLargePages()
    {
        if (!Directory.Exists("/sys/kernel/mm/transparent_hugepage")) ExternalTool.Skip("this kernel has no transparent huge pages");
        using var directory = new TemporaryDirectory();
        using var file = File.OpenHandle(directory["file"], FileMode.CreateNew, FileAccess.ReadWrite);
        if (DirectQueue.TryRent() is not { } queue)
        {
            ExternalTool.Skip("the kernel has no asynchronous I/O to give");
            return;
        }

        try
        {
            var buffer = queue.Next(out var number, out var error);
            Assert.That(error, Is.Zero);
            var address = AddressOf(buffer);
            buffer[..4096].Fill(1);
            Assert.That(queue.Begin(number, file, 4096, 0), Is.Zero);
            Assert.That(queue.Finish(), Is.Zero);
            Assert.That((address - (ulong)(number * DirectQueue.BufferBytes)) % LargePage, Is.Zero, "memory that begins between two large pages has none at its ends");
            Assert.That(FlagsOf(address), Does.Contain("hg"));
        }
        finally
        {
            queue.Return();
        }
    }

    private static unsafe ulong AddressOf(Span<byte> buffer) => (ulong)(nint)Unsafe.AsPointer(ref buffer[0]);

    /// <summary>What the kernel was told of the memory at an address (proc(5), smaps, VmFlags).</summary>
    private static string[] FlagsOf(ulong address)
    {
        var isInside = false;
        foreach (var line in File.ReadLines("/proc/self/smaps"))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words[0].Split('-') is [var from, var to] && TryParse(from, out var start) && TryParse(to, out var end)) isInside = address >= start && address < end;
            else if (isInside && words[0] == "VmFlags:") return words;
        }

        return [];
    }

    private static bool TryParse(string hex, out ulong value) => ulong.TryParse(hex, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out value);
}
