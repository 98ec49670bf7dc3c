namespace VmRepl.Images.Operations;

/// <summary>A disk was not made shorter, since contents could be lost.</summary>
public sealed class ShrinkRefusedException(string message) : Exception(message);
