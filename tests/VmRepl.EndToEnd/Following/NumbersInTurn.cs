using System.Buffers.Binary;
using System.Diagnostics;
using VmRepl.Nbd.Client;

namespace VmRepl.EndToEnd.Following;

/// <summary>
/// Writes the numbers from 1 on, each only when the one before was answered, to the disks of a group in turn, until it is disposed of or a disk is full. Any moment of the group holds all numbers up to one, and none beyond: a prefix without
/// a gap.
/// </summary>
internal sealed class NumbersInTurn : IDisposable
{
    private const int SlotBytes = 512;

    private readonly NbdClient[] disks;
    private readonly Thread thread;
    private readonly long slots;
    private volatile bool isEnding;
    private volatile int written;
    private Exception? failure;

    public NumbersInTurn(FollowedPair pair, string group, IReadOnlyList<string> names)
    {
        disks = [.. names.Select(n => pair.Connect(group, n))];
        slots = disks.Min(d => d.Length) / SlotBytes;
        thread = new Thread(Run) { IsBackground = true, Name = "numbers" };
        thread.Start();
    }

    /// <summary>The newest number that was answered.</summary>
    public int Written => written;

    public void AwaitWritten(int number)
    {
        for (var waited = Stopwatch.StartNew(); written < number; Thread.Sleep(5))
        {
            if (failure is not null) throw new AssertionException($"writing failed: {failure}");
            if (waited.Elapsed > TimeSpan.FromSeconds(60)) throw new TimeoutException($"{written} numbers of {number} were written in 60 s");
        }
    }

    /// <summary>Restores a moment of the group: all numbers up to one are there.</summary>
    /// <returns>The newest.</returns>
    public static int Verify(FollowedPair pair, string group, IReadOnlyList<string> names, ulong sequence)
    {
        var restored = pair.Restore(group, $"{sequence}");
        var raws = names.Select(n => File.ReadAllBytes(Path.Combine(restored, n + ".raw"))).ToList();
        Directory.Delete(restored, recursive: true);
        var there = Enumerable.Range(1, raws[0].Length / SlotBytes * raws.Count - 1).Where(i => BinaryPrimitives.ReadInt32LittleEndian(raws[i % raws.Count].AsSpan(i / raws.Count * SlotBytes)) == i).ToList();
        Assert.That(there, Is.EqualTo(Enumerable.Range(1, there.Count)), $"at {sequence} a number is missing that was answered before another was begun");
        return there.Count;
    }

    public void Dispose()
    {
        isEnding = true;
        thread.Join();
        foreach (var disk in disks) disk.Dispose();
        Assert.That(failure, Is.Null);
    }

    private void Run()
    {
        try
        {
            var slot = new byte[SlotBytes];
            for (var i = 1; !isEnding && i < slots * disks.Length; i++)
            {
                BinaryPrimitives.WriteInt32LittleEndian(slot, i);
                disks[i % disks.Length].Write((long)(i / disks.Length) * SlotBytes, slot);
                written = i;
            }
        }
        catch (Exception e)
        {
            failure = e;
        }
    }
}
